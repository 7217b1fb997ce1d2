// A file that rows are imported from.
#ifndef ENGRAM_STORAGE_IMPORT_INPUT_FILE_H_
#define ENGRAM_STORAGE_IMPORT_INPUT_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace engram::storage {

// A regular file, open for reading from its start to its end. Thread-safe.
class InputFile {
 public:
  // Opens a file and tells the kernel to read ahead.
  //   NOT_FOUND           there is no such file
  //   INVALID_ARGUMENT    it is not a regular file
  //   PERMISSION_DENIED   it may not be read
  //   RESOURCE_EXHAUSTED  too many files are open
  //   DATA_LOSS           it cannot be opened
  static absl::StatusOr<std::shared_ptr<const InputFile>> Open(const std::string& path);

  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::string& path() const { return path_; }
  // In bytes, when the file was opened.
  uint64_t size() const { return size_; }

  // Fills `out` with the bytes from `offset` on.
  //   DATA_LOSS  read error, or the file ends before; names the file and the offset
  absl::Status ReadAt(uint64_t offset, absl::Span<std::byte> out) const;

  // Lets the page cache forget a range that was read, so that an import does not push out what
  // other processes need. Advice: cannot fail.
  void Forget(uint64_t offset, uint64_t bytes) const;

 private:
  InputFile(int fd, std::string path, uint64_t size);

  const int fd_;
  const std::string path_;
  const uint64_t size_;
};

// Reads a whole file of at most `max_bytes`.
//   INVALID_ARGUMENT                as InputFile::Open, or the file is larger
//   NOT_FOUND, DATA_LOSS            as InputFile::Open and ReadAt
absl::StatusOr<std::string> ReadTextFile(const std::string& path, uint64_t max_bytes);

// A name as a file holds it, fit for a message: quoted, escaped and of bounded length.
std::string Quoted(absl::string_view name);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_IMPORT_INPUT_FILE_H_
