// Work that takes too long for gRPC's callback threads.
#ifndef ENGRAM_SERVER_TASKS_H_
#define ENGRAM_SERVER_TASKS_H_

#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace engram::server {

// Runs tasks of one kind, each on a thread of its own, and so many at once at most. Thread-safe;
// must outlive its tasks.
class Tasks {
 public:
  // kind: what messages call them, "imports"
  Tasks(absl::string_view kind, int most) : kind_(kind), most_(most) {}

  //   RESOURCE_EXHAUSTED  as many as may run at once do
  //   UNAVAILABLE         Stop was called
  absl::Status Start(std::function<void()> task);

  // Refuses tasks from now on; those that run should see stopping() and end.
  void Stop();
  bool stopping() const;

  // Waits until none runs.
  void AwaitAll();

 private:
  const absl::string_view kind_;
  const int most_;
  mutable absl::Mutex mutex_;
  int running_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace engram::server

#endif  // ENGRAM_SERVER_TASKS_H_
