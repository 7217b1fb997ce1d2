// Whether the database may be written to, now and at all.
#ifndef ENGRAM_STORAGE_COLD_WRITE_STATE_H_
#define ENGRAM_STORAGE_COLD_WRITE_STATE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "rocksdb/file_system.h"
#include "rocksdb/listener.h"
#include "rocksdb/status.h"

namespace engram::storage {

// RocksDB 7.8 recovers badly from a failed write of its log or manifest: a recovery in the
// background beside other writes may end in an assertion of its own. So writes are refused before
// the disk is full, there is no recovery in the background, and after a failed write all others are
// refused until the database is opened again. Reads go on.
// Thread-safe.
class WriteState {
 public:
  // Space that writes leave on the disk, for logs and manifest: bytes.
  static constexpr uint64_t kReservedBytes = uint64_t{64} << 20;

  WriteState(std::string dir, std::shared_ptr<rocksdb::FileSystem> file_system);

  // Whether no write has failed; or the error of the one that did.
  absl::Status CheckRunning() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Whether `bytes` may be written.
  //   RESOURCE_EXHAUSTED  that would not leave kReservedBytes on the disk
  //   as CheckRunning
  absl::Status Check(uint64_t bytes) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Whether the catalog may be written. It may use most of what other writes leave, so that tables
  // can be dropped when the disk is full.
  //   RESOURCE_EXHAUSTED, as Check
  absl::Status CheckCatalogWrite() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Whether the database may be opened, which writes to it: where that fails RocksDB 7.8 may end in
  // an assertion as well.
  //   RESOURCE_EXHAUSTED, as Check
  absl::Status CheckOpening() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Refuses all writes from now on, for the first such reason. `error` is not OK.
  void Stop(const rocksdb::Status& error) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  static constexpr uint64_t kCatalogReservedBytes = uint64_t{4} << 20;
  static constexpr uint64_t kOpeningBytes = uint64_t{16} << 20;

  absl::Status CheckSpace(uint64_t bytes, uint64_t reserved) const ABSL_LOCKS_EXCLUDED(mutex_);

  const std::string dir_;
  const std::shared_ptr<rocksdb::FileSystem> file_system_;
  mutable absl::Mutex mutex_;
  absl::Status stopped_ ABSL_GUARDED_BY(mutex_);
};

// Tells `state` of errors in RocksDB's background, and forbids recovery.
std::shared_ptr<rocksdb::EventListener> NewErrorListener(std::shared_ptr<WriteState> state);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_COLD_WRITE_STATE_H_
