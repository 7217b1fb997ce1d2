// The one thread that looks after where rows are.
#ifndef ENGRAM_STORAGE_FETCH_PLACEMENT_THREAD_H_
#define ENGRAM_STORAGE_FETCH_PLACEMENT_THREAD_H_

#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "storage/fetch/step_schedule.h"

namespace engram::storage {

// Calls steps in turn, each when its period is over, one at a time, with the time of the call. A
// step that takes long delays the others and nothing else. Thread-safe.
class PlacementThread {
 public:
  using Step = StepSchedule::Step;

  PlacementThread();
  // Waits for the step that is running.
  ~PlacementThread();

  // The first call comes at once. What the step uses outlives this object.
  void AddStep(std::string name, absl::Duration period, Step step) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits until a step is due, and returns it; null: the end.
  Step AwaitStep() ABSL_LOCKS_EXCLUDED(mutex_);

  absl::Mutex mutex_;
  StepSchedule schedule_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::CondVar changed_;
  std::thread thread_;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_FETCH_PLACEMENT_THREAD_H_
