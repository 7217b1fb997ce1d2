// The one thread that moves rows between tiers.
#ifndef ENGRAM_STORAGE_FETCH_PLACEMENT_THREAD_H_
#define ENGRAM_STORAGE_FETCH_PLACEMENT_THREAD_H_

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace engram::storage {

// Calls steps in turn, each when its period is over, one at a time, with the time of the call. A
// step that takes long delays the others and nothing else. Thread-safe.
class PlacementThread {
 public:
  using Step = std::function<void(absl::Time now)>;

  PlacementThread();
  // Waits for the step that is running.
  ~PlacementThread();

  // The first call comes at once.
  void AddStep(std::string name, absl::Duration period, Step step) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Entry {
    std::string name;
    absl::Duration period;
    Step step;
    absl::Time due;
  };

  void Run() ABSL_LOCKS_EXCLUDED(mutex_);

  absl::Mutex mutex_;
  std::vector<Entry> steps_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::CondVar changed_;
  std::thread thread_;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_FETCH_PLACEMENT_THREAD_H_
