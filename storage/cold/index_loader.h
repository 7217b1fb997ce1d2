// Loads the indexes of SST files in the background, so that first reads need not.
#ifndef ENGRAM_STORAGE_COLD_INDEX_LOADER_H_
#define ENGRAM_STORAGE_COLD_INDEX_LOADER_H_

#include <deque>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/cold/instance.h"
#include "storage/cold/sst_map.h"

namespace engram::storage {

// One thread, one file at a time. Thread-safe.
class IndexLoader {
 public:
  // `instance` must outlive the loader.
  explicit IndexLoader(Instance* instance);
  // Stops after the file at hand.
  ~IndexLoader();
  IndexLoader(const IndexLoader&) = delete;
  IndexLoader& operator=(const IndexLoader&) = delete;

  // Loads all files of a table, unless its column family is closed before.
  void Add(const std::shared_ptr<ColumnFamily>& family, std::shared_ptr<SstMap> files);

  // Returns when nothing is left to load.
  void WaitUntilIdle();

 private:
  struct Table {
    std::weak_ptr<ColumnFamily> family;
    std::shared_ptr<SstMap> files;
  };

  void Run();
  void Load(const Table& table);
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stop_ || !tables_.empty(); }
  bool Idle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return tables_.empty(); }
  bool stopped() ABSL_LOCKS_EXCLUDED(mutex_);

  Instance* const instance_;
  absl::Mutex mutex_;
  std::deque<Table> tables_ ABSL_GUARDED_BY(mutex_);  // the first is being loaded
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_COLD_INDEX_LOADER_H_
