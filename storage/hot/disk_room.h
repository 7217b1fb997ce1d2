// What hot sets and images leave of the disk.
#ifndef ENGRAM_STORAGE_HOT_DISK_ROOM_H_
#define ENGRAM_STORAGE_HOT_DISK_ROOM_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace engram::storage {

// Whether a file of so many bytes leaves 64 MiB to what matters more. OK where nobody can tell.
//   RESOURCE_EXHAUSTED
absl::Status CheckDiskRoom(const std::string& folder, uint64_t bytes);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_HOT_DISK_ROOM_H_
