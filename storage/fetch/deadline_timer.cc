#include "storage/fetch/deadline_timer.h"

#include <sys/prctl.h>

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

namespace engram::storage {

DeadlineTimer::~DeadlineTimer() {
  std::thread thread;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.Signal();
    thread = std::move(thread_);
  }
  if (thread.joinable()) thread.join();
}

void DeadlineTimer::At(absl::Time time, Call call) {
  absl::MutexLock lock(&mutex_);
  heap_.push_back({time, next_sequence_++, std::move(call)});
  std::push_heap(heap_.begin(), heap_.end());
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  if (heap_.front().sequence + 1 == next_sequence_) changed_.Signal();
}

void DeadlineTimer::Run() {
  prctl(PR_SET_TIMERSLACK, 1);  // or the kernel may be 50 us late
  absl::MutexLock lock(&mutex_);
  while (!stopping_ || !heap_.empty()) {
    if (heap_.empty()) {
      changed_.Wait(&mutex_);
      continue;
    }
    if (!stopping_ && absl::Now() < heap_.front().time) {
      changed_.WaitWithDeadline(&mutex_, heap_.front().time);
      continue;
    }
    std::pop_heap(heap_.begin(), heap_.end());
    Call call = std::move(heap_.back().call);
    heap_.pop_back();
    mutex_.Unlock();
    std::move(call)();
    call = nullptr;
    mutex_.Lock();
  }
}

}  // namespace engram::storage
