// Files of the safetensors format: 8 bytes of little-endian header length, a JSON header that names
// the tensors, and their data.
#ifndef ENGRAM_STORAGE_IMPORT_SAFETENSORS_FILE_H_
#define ENGRAM_STORAGE_IMPORT_SAFETENSORS_FILE_H_

#include <cstdint>
#include <string>
#include <unordered_map>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/import/tensor.h"

namespace engram::storage {

inline constexpr uint64_t kMaxSafetensorsHeaderBytes = 100'000'000;

using TensorsByName = std::unordered_map<std::string, Tensor>;

// Parses a header. As the reference implementation does, it wants the tensors to cover the data
// from its first byte to its last: no overlap, no hole, nothing behind the last one. Beyond it,
// names may not repeat and unknown fields are refused.
// `path` begins every message; offsets in the result count from the start of the file.
//   INVALID_ARGUMENT  names the tensor and what is wrong with it
absl::StatusOr<TensorsByName> ParseSafetensorsHeader(absl::string_view header, uint64_t file_bytes,
                                                     absl::string_view path);

// Opens a file and checks its header.
//   NOT_FOUND         there is no such file
//   INVALID_ARGUMENT  it is not a well-formed safetensors file
//   DATA_LOSS         it cannot be read
absl::StatusOr<TensorsByName> OpenSafetensors(const std::string& path);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_IMPORT_SAFETENSORS_FILE_H_
