#include "storage/fetch/io_scheduler.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

namespace engram::storage {

IoScheduler::IoScheduler(int threads) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { Run(); });
  }
}

IoScheduler::~IoScheduler() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

void IoScheduler::Submit(absl::Time deadline, Job job) {
  const absl::Time due = std::min(deadline, absl::Now() + kPatience);
  absl::MutexLock lock(&mutex_);
  heap_.push_back({due, next_sequence_++, std::move(job)});
  std::push_heap(heap_.begin(), heap_.end());
}

void IoScheduler::Run() {
  const auto ready = [this]()
                         ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !heap_.empty() || stopping_; };
  while (true) {
    Job job;
    {
      absl::MutexLock lock(&mutex_, absl::Condition(&ready));
      if (heap_.empty()) {
        return;
      }
      std::pop_heap(heap_.begin(), heap_.end());
      job = std::move(heap_.back().job);
      heap_.pop_back();
    }
    std::move(job)();
  }
}

}  // namespace engram::storage
