// Model files written byte by byte, without any code of the reader.
#ifndef ENGRAM_TESTS_STORAGE_IMPORT_MODEL_FILES_TESTING_H_
#define ENGRAM_TESTS_STORAGE_IMPORT_MODEL_FILES_TESTING_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "storage/import/row_source.h"

namespace engram::storage {

// An empty directory that goes when the object does.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::string& path() const { return path_; }
  // Writes a file and returns its path.
  std::string Write(const std::string& name, const std::string& bytes) const;

 private:
  std::string path_;
};

struct TestTensor {
  std::string name;
  std::string type;  // "F8_E4M3"
  std::vector<uint64_t> shape;
  std::string bytes;
};

// Bytes that differ from place to place and from seed to seed.
std::string Pattern(uint32_t seed, uint64_t size);

std::string LittleEndian(uint64_t value, int bytes);

// A safetensors file of a header as given and data.
std::string SafetensorsBytes(const std::string& header, const std::string& data);

// A well-formed safetensors file.
std::string SafetensorsBytes(const std::vector<TestTensor>& tensors);

// An index that lists each {tensor, shard}.
std::string IndexText(const std::vector<std::pair<std::string, std::string>>& tensors);

// A .npy file of version 1.0, 2.0 or 3.0 of a header as given and data.
std::string NpyBytes(int version, const std::string& header, const std::string& data);

// {'descr': ..., 'fortran_order': False, 'shape': (...), }
std::string NpyHeader(const std::string& descr, const std::string& shape);

// `rows` rows of `left` and `right` (either may be empty) side by side.
std::string SideBySide(const std::string& left, const std::string& right, uint64_t rows);

// Rows first .. first + count - 1 of a source, or the error's text.
std::string RowBytes(const RowSource& source, uint64_t first, uint64_t count);
std::string AllRows(const RowSource& source);

// The only table that options select; fails the test and returns nullptr if there is another
// number.
std::unique_ptr<RowSource> OpenSingle(const ImportOptions& options);

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

MATCHER_P2(IsError, code, substring, "") {
  const absl::Status& status = StatusOf(arg);
  *result_listener << status.ToString();
  return status.code() == code &&
         std::string(status.message()).find(substring) != std::string::npos;
}

inline constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;
inline constexpr absl::StatusCode kNotFound = absl::StatusCode::kNotFound;
inline constexpr absl::StatusCode kDataLoss = absl::StatusCode::kDataLoss;

}  // namespace engram::storage

#endif  // ENGRAM_TESTS_STORAGE_IMPORT_MODEL_FILES_TESTING_H_
