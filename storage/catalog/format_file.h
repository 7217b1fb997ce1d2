// The data directory's format version, so that no program works on files it does not understand.
#ifndef ENGRAM_STORAGE_CATALOG_FORMAT_FILE_H_
#define ENGRAM_STORAGE_CATALOG_FORMAT_FILE_H_

#include <string>

#include "absl/status/status.h"

namespace engram::storage {

// Version of everything on disk: see storage/README.md.
inline constexpr int kFormatVersion = 1;

// Creates `data_dir` if absent and empty directories' format file, or checks the one that is there.
//   FAILED_PRECONDITION  written by a newer engramd, or a directory that holds something else
//   DATA_LOSS            the format file is damaged
//   PERMISSION_DENIED, RESOURCE_EXHAUSTED (disk full), NOT_FOUND (no parent directory)
absl::Status CheckOrCreateFormat(const std::string& data_dir);

// Makes the entries of a directory durable.
//   PERMISSION_DENIED, NOT_FOUND, or what else the system says
absl::Status SyncDirectory(const std::string& path);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_CATALOG_FORMAT_FILE_H_
