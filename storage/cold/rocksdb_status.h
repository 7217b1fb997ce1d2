// rocksdb::Status in terms of absl::Status.
#ifndef ENGRAM_STORAGE_COLD_ROCKSDB_STATUS_H_
#define ENGRAM_STORAGE_COLD_ROCKSDB_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rocksdb/status.h"

namespace engram::storage {

// "`context`: what RocksDB says", with the code
//   RESOURCE_EXHAUSTED   the disk is full, or too many files are open
//   PERMISSION_DENIED    the operating system refuses access
//   FAILED_PRECONDITION  another process has the database open
//   DATA_LOSS            anything else that is not OK: damaged or missing data, a failing disk
absl::Status FromRocksDb(const rocksdb::Status& status, absl::string_view context);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_COLD_ROCKSDB_STATUS_H_
