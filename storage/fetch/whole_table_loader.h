// Fills tables that are held whole in RAM, in the background.
#ifndef ENGRAM_STORAGE_FETCH_WHOLE_TABLE_LOADER_H_
#define ENGRAM_STORAGE_FETCH_WHOLE_TABLE_LOADER_H_

#include <atomic>
#include <deque>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/fetch/table_version.h"
#include "storage/ram/whole_table.h"

namespace engram::storage {

// One thread that loads one table after another from the cold tier. Thread-safe.
class WholeTableLoader {
 public:
  WholeTableLoader();

  // Stops, even in the middle of a table.
  ~WholeTableLoader();

  // `table`'s RAM tier is `whole`. Rows are served from RAM as they arrive. A table that nobody
  // else holds any more is given up; so is one with a read error, which is logged.
  void Load(std::weak_ptr<TableVersion> table, WholeTable* whole);

 private:
  struct Task {
    std::weak_ptr<TableVersion> table;
    WholeTable* whole;
  };

  void Run();
  void LoadTable(const Task& task);

  std::atomic<bool> stopping_{false};
  absl::Mutex mutex_;
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mutex_);
  bool stop_requested_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_FETCH_WHOLE_TABLE_LOADER_H_
