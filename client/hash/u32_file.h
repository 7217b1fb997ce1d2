// Files of little-endian 32-bit numbers, as token traces and token maps come.
#ifndef ENGRAM_CLIENT_HASH_U32_FILE_H_
#define ENGRAM_CLIENT_HASH_U32_FILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace engram {

inline constexpr uint64_t kMaxU32FileValues = uint64_t{1} << 31;

// Reads a whole file, decompressing it on the way if its name ends in ".zst". Returns
//   INVALID_ARGUMENT  the size is no multiple of 4, or there are more than max_values numbers
//   DATA_LOSS         the zstd stream is corrupt or cut off
//   NOT_FOUND, PERMISSION_DENIED, or what else the system says of a file that cannot be read
// Messages name the path.
absl::StatusOr<std::vector<uint32_t>> ReadU32File(const std::string& path,
                                                  uint64_t max_values = kMaxU32FileValues);

}  // namespace engram

#endif  // ENGRAM_CLIENT_HASH_U32_FILE_H_
