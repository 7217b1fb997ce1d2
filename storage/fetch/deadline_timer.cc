#include "storage/fetch/deadline_timer.h"

#include <sys/prctl.h>

#include <utility>

#include "absl/time/clock.h"

namespace engram::storage {

void DeadlineTimer::Stop() {
  std::thread thread;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.Signal();
    thread = std::move(thread_);
  }
  if (thread.joinable()) thread.join();
}

DeadlineTimer::Id DeadlineTimer::At(absl::Time time, Call call) {
  absl::MutexLock lock(&mutex_);
  const Id id(time, next_sequence_++);
  calls_.emplace(id, std::move(call));
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  if (calls_.begin()->first == id) changed_.Signal();
  return id;
}

void DeadlineTimer::Cancel(const Id& id) {
  absl::MutexLock lock(&mutex_);
  calls_.erase(id);
}

void DeadlineTimer::Run() {
  prctl(PR_SET_TIMERSLACK, 1);  // or the kernel may be 50 us late
  absl::MutexLock lock(&mutex_);
  while (!stopping_ || !calls_.empty()) {
    if (calls_.empty()) {
      changed_.Wait(&mutex_);
      continue;
    }
    const absl::Time next = calls_.begin()->first.first;
    if (!stopping_ && absl::Now() < next) {
      changed_.WaitWithDeadline(&mutex_, next);
      continue;
    }
    Call call = std::move(calls_.begin()->second);
    calls_.erase(calls_.begin());
    mutex_.Unlock();
    std::move(call)();
    call = nullptr;
    mutex_.Lock();
  }
}

}  // namespace engram::storage
