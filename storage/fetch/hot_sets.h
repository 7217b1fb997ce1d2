// What RAM holds, kept beyond the end of the process.
#ifndef ENGRAM_STORAGE_FETCH_HOT_SETS_H_
#define ENGRAM_STORAGE_FETCH_HOT_SETS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "storage/fetch/hot_images.h"
#include "storage/fetch/hot_set_loader.h"
#include "storage/fetch/placement_thread.h"
#include "storage/fetch/table_version.h"
#include "storage/hot/replaced_file.h"

namespace engram::storage {

struct HotSetsOptions {
  std::string folder;              // created when something is saved
  absl::Duration period;           // between saves; 0: nothing is saved or loaded
  uint64_t image_bytes_per_s = 0;  // of the writes of images; 0: there are none
  FileCalls calls{};
};

// Saves each table's hot set, a file <folder>/<uid>, every period and at the end if it was used, on
// a thread of its own, and after that an image of its rows (HotImages); and loads them at the
// start. A hot set that is still being loaded is not saved. Thread-safe.
class HotSets {
 public:
  explicit HotSets(HotSetsOptions options);

  // Stops loading, and saves. Tables should not be used any more.
  ~HotSets();

  // Saves the table from now on, and if it is there before Start, loads it.
  void Add(uint64_t uid, const std::shared_ptr<TableVersion>& table) ABSL_LOCKS_EXCLUDED(mutex_);

  // The table is gone for good, and so are its files.
  void Drop(uint64_t uid) ABSL_LOCKS_EXCLUDED(mutex_);

  // Removes files of tables that were not added, loads those of others, and begins to save.
  void Start() ABSL_LOCKS_EXCLUDED(mutex_);

  // Saves a table whose pins changed. Returns whether they are on disk; the log says why not,
  // unless nothing is ever saved, or the table was dropped.
  bool SaveNow(TableVersion& table) ABSL_LOCKS_EXCLUDED(mutex_, save_mutex_);

  // Saves what was used since the last time.
  void SaveAll() ABSL_LOCKS_EXCLUDED(mutex_, save_mutex_);

 private:
  struct Entry {
    std::weak_ptr<TableVersion> table;
    uint64_t saved = 0;  // TableVersion::RamChanges when it was
  };

  std::string PathOf(uint64_t uid) const;
  // '': there are no images.
  std::string ImagePathOf(uint64_t uid) const;
  void RemoveUnknown() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Returns how many groups were saved.
  absl::StatusOr<uint64_t> Save(uint64_t uid, TableVersion& table) const;
  void SaveIfUsed(uint64_t uid, const Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(save_mutex_)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Returns whether the file is there.
  bool SaveAndNote(uint64_t uid, TableVersion& table) ABSL_EXCLUSIVE_LOCKS_REQUIRED(save_mutex_)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const HotSetsOptions options_;
  absl::Mutex save_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);  // held while files are written
  absl::Mutex mutex_;
  std::map<uint64_t, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  const std::unique_ptr<HotImages> images_;  // null: there are none
  HotSetLoader loader_;
  std::unique_ptr<PlacementThread> saver_;  // null before Start
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_FETCH_HOT_SETS_H_
