// Calls back at deadlines.
#ifndef ENGRAM_STORAGE_FETCH_DEADLINE_TIMER_H_
#define ENGRAM_STORAGE_FETCH_DEADLINE_TIMER_H_

#include <cstdint>
#include <map>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace engram::storage {

// One thread, which starts with the first call of At: for what must happen at its time even if all
// I/O threads wait for the device. Thread-safe.
class DeadlineTimer {
 public:
  using Call = absl::AnyInvocable<void() &&>;

  DeadlineTimer() = default;
  ~DeadlineTimer() { Stop(); }

  // Makes the calls that are left at once, and returns when they are made. At must not be called
  // any more.
  void Stop();

  // Names a call: when it is due, and how many came before it.
  using Id = std::pair<absl::Time, uint64_t>;

  // Calls at `time`, or at once if that is past. The call should be short.
  Id At(absl::Time time, Call call);

  // Forgets a call that has not begun.
  void Cancel(const Id& id);

 private:
  void Run();

  absl::Mutex mutex_;
  absl::CondVar changed_;
  std::map<Id, Call> calls_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_FETCH_DEADLINE_TIMER_H_
