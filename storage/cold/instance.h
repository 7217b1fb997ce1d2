// The open RocksDB and its column families, shared by the database, its tables and its writers.
#ifndef ENGRAM_STORAGE_COLD_INSTANCE_H_
#define ENGRAM_STORAGE_COLD_INSTANCE_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "storage/cold/direct_file_system.h"
#include "storage/cold/write_state.h"

namespace engram::storage {

// What column families are named by: "cold.<uid>" in the database of all rows.
inline constexpr absl::string_view kColdFamilies = "cold.";

std::string ColumnFamilyName(uint64_t uid, absl::string_view prefix = kColdFamilies);
// Nothing for another's name.
std::optional<uint64_t> ColumnFamilyUid(absl::string_view name, absl::string_view prefix);

// An open column family. Closed when the last reference is gone, and removed then if it was marked.
class ColumnFamily {
 public:
  ColumnFamily(rocksdb::DB* db, uint64_t uid, rocksdb::ColumnFamilyHandle* handle,
               std::shared_ptr<WriteState> write_state)
      : db_(db), uid_(uid), handle_(handle), write_state_(std::move(write_state)) {}
  ~ColumnFamily();
  ColumnFamily(const ColumnFamily&) = delete;
  ColumnFamily& operator=(const ColumnFamily&) = delete;

  uint64_t uid() const { return uid_; }
  rocksdb::ColumnFamilyHandle* handle() const { return handle_; }
  void MarkDropped() { dropped_ = true; }

 private:
  rocksdb::DB* const db_;
  const uint64_t uid_;
  rocksdb::ColumnFamilyHandle* const handle_;
  const std::shared_ptr<WriteState> write_state_;
  std::atomic<bool> dropped_ = false;
};

// Thread-safe. References to column families must be gone before it is.
class Instance {
 public:
  // As OpenDatabase.
  static absl::StatusOr<std::shared_ptr<Instance>> Open(const std::string& dir, ReadEngine* engine,
                                                        std::shared_ptr<rocksdb::FileSystem> base,
                                                        int max_open_files,
                                                        absl::string_view prefix = kColdFamilies);
  ~Instance();

  rocksdb::DB* db() const { return db_.get(); }
  rocksdb::Env* env() const { return env_.get(); }
  DirectFileSystem* file_system() const { return file_system_.get(); }

  // To be asked before every write.
  WriteState* write_state() const { return write_state_.get(); }

  // Where segments of the table `uid` are written before they are moved into the database.
  std::string StagingDir(uint64_t uid) const;

  // Null if there is none.
  std::shared_ptr<ColumnFamily> FindColumnFamily(uint64_t uid) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::shared_ptr<ColumnFamily>> CreateColumnFamily(uint64_t uid)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The family is removed when the last reference to it is gone, and not found any more.
  void DropColumnFamily(const std::shared_ptr<ColumnFamily>& family) ABSL_LOCKS_EXCLUDED(mutex_);

  // Takes `uid` for a writer until ReleaseUid; false if it is taken, or there is such a table.
  bool ReserveUid(uint64_t uid) ABSL_LOCKS_EXCLUDED(mutex_);
  void ReleaseUid(uint64_t uid) ABSL_LOCKS_EXCLUDED(mutex_);

  // As Database::DropUnknownTables.
  absl::Status DropUnknown(const std::vector<uint64_t>& known_uids) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  Instance(std::string dir, ReadEngine* engine, std::shared_ptr<rocksdb::FileSystem> base,
           int max_open_files, absl::string_view prefix);

  absl::Status OpenDb();

  const std::string dir_;
  const std::string prefix_;  // of column families
  const int rocksdb_files_;   // that RocksDB may keep open
  const std::shared_ptr<WriteState> write_state_;
  const std::shared_ptr<DirectFileSystem> file_system_;
  const std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> db_;  // set by Open

  absl::Mutex mutex_;
  std::map<uint64_t, std::shared_ptr<ColumnFamily>> families_ ABSL_GUARDED_BY(mutex_);
  std::vector<uint64_t> writing_ ABSL_GUARDED_BY(mutex_);  // uids of writers
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_COLD_INSTANCE_H_
