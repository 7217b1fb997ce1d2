// The rows that RAM holds, written beside the hot sets, so that a restart reads them in sequence.
#ifndef ENGRAM_STORAGE_FETCH_HOT_IMAGES_H_
#define ENGRAM_STORAGE_FETCH_HOT_IMAGES_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "storage/fetch/table_version.h"
#include "storage/hot/hot_image_file.h"
#include "storage/hot/image_pace.h"
#include "storage/hot/replaced_file.h"

namespace engram::storage {

struct HotImagesOptions {
  std::string folder;        // exists when something is offered
  uint64_t bytes_per_s = 0;  // of the writes, on average; above 0
  FileCalls calls{};
  std::function<absl::Time()> now = absl::Now;
  std::function<void(absl::Duration)> sleep = absl::SleepFor;
};

// One thread that writes an image of each table that is offered, a file <folder>/<uid>.rows, as
// fast as ImagePace has it. Thread-safe.
class HotImages {
 public:
  explicit HotImages(HotImagesOptions options);

  // Stops, and writes nothing more.
  ~HotImages();

  // The table's image is out of date.
  void Offer(uint64_t uid, const std::shared_ptr<TableVersion>& table) ABSL_LOCKS_EXCLUDED(mutex_);

  // The table is gone for good, and so is its image.
  void Drop(uint64_t uid) ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends the thread within a moment; an image that is not finished is removed. What is offered from
  // now on is for WriteLast.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

  // After Stop: writes the images that are out of date and small, or small enough for a first one,
  // as fast as the disk takes them. Blocks the caller.
  void WriteLast() ABSL_LOCKS_EXCLUDED(mutex_);

  static std::string PathOf(const std::string& folder, uint64_t uid);
  static HotImageTable IdOf(uint64_t uid, const TableVersion& table);

 private:
  struct Task {
    uint64_t uid;
    std::weak_ptr<TableVersion> table;
  };

  void Run();
  // Waits for the first task; null at the end.
  std::optional<Task> AwaitTask() ABSL_LOCKS_EXCLUDED(mutex_);
  void WritePaced(const Task& task) ABSL_LOCKS_EXCLUDED(mutex_);
  // As WriteFile, and logs what came of it.
  absl::StatusOr<uint64_t> Write(const Task& task, TableVersion& table,
                                 absl::FunctionRef<bool(uint64_t bytes)> go_on) const;
  // Returns the image's bytes.
  //   go_on: asked with the bytes written so far, often
  //   CANCELLED  it returned false;  RESOURCE_EXHAUSTED, or what else the system says
  absl::StatusOr<uint64_t> WriteFile(const Task& task, TableVersion& table,
                                     absl::FunctionRef<bool(uint64_t bytes)> go_on) const;
  // Returns `go_on` at the end.
  bool SleepUntil(absl::Time time, absl::FunctionRef<bool()> go_on) const;

  const HotImagesOptions options_;
  ImagePace pace_;  // the thread's
  std::atomic<bool> stopping_{false};
  std::atomic<bool> dropped_{false};  // the table whose image is being written
  absl::Mutex mutex_;
  bool stop_requested_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mutex_);  // one of each table
  std::optional<uint64_t> writing_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_FETCH_HOT_IMAGES_H_
