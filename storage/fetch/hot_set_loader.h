// Brings back what RAM held before a restart, in the background.
#ifndef ENGRAM_STORAGE_FETCH_HOT_SET_LOADER_H_
#define ENGRAM_STORAGE_FETCH_HOT_SET_LOADER_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "storage/fetch/hot_image_load.h"
#include "storage/fetch/table_version.h"
#include "storage/hot/hot_set_file.h"
#include "storage/ram/ram_tier.h"

namespace engram::storage {

// One thread that loads hot sets, most worthy groups first, some of each table by turns. Groups
// take free memory only: none that traffic brought in has to go, but for pinned groups, which come
// first. Thread-safe.
class HotSetLoader {
 public:
  HotSetLoader();

  // Stops within a moment.
  ~HotSetLoader();

  // Loads what the file names, if it is the table's and undamaged: first what the image has of it,
  // if there is one, then the rest from where rows are; the log says what came of it.
  //   image_path: '' for none
  // Sets the table's number of groups that are left: above 0 from now on, 0 at the end, but left as
  // it is by a stop. A table that nobody else holds any more is given up.
  void Load(const std::shared_ptr<TableVersion>& table, std::string path, std::string image_path,
            const HotSetTable& id);

 private:
  struct Task {
    std::weak_ptr<TableVersion> table;
    std::string path;
    std::string image_path;
    HotSetTable id;
    std::unique_ptr<HotSetReader> reader{};  // once the file is open
    std::unique_ptr<HotImageLoad> image{};   // then, if there is one
    absl::Time start{};
    RestoreCounts counts{};
    size_t of_image = 0;        // of the counts
    size_t damaged_blocks = 0;  // of the image
  };
  struct Part {
    size_t groups = 0;  // looked at
    bool more = true;   // after it
  };

  void Run();
  // Loads a part; returns whether there is more.
  bool LoadPart(Task* task);
  static bool Open(Task* task, TableVersion& table, absl::FunctionRef<bool()> go_on);
  static void OpenImage(Task* task, const TableVersion& table, absl::FunctionRef<bool()> go_on);
  static Part LoadOfImage(Task* task, TableVersion& table);
  //   CANCELLED
  static absl::StatusOr<Part> LoadByIds(Task* task, TableVersion& table,
                                        absl::FunctionRef<bool()> go_on);
  static void LogEnd(const Task& task, const TableVersion& table);

  std::atomic<bool> stopping_{false};
  absl::Mutex mutex_;
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mutex_);
  bool stop_requested_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_FETCH_HOT_SET_LOADER_H_
