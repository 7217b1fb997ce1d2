#include "storage/fetch/placement_thread.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

namespace engram::storage {

PlacementThread::PlacementThread() : thread_([this] { Run(); }) {}

PlacementThread::~PlacementThread() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.Signal();
  }
  thread_.join();
}

void PlacementThread::AddStep(std::string name, absl::Duration period, Step step) {
  absl::MutexLock lock(&mutex_);
  steps_.push_back({std::move(name), period, std::move(step), absl::InfinitePast()});
  changed_.Signal();
}

void PlacementThread::Run() {
  absl::MutexLock lock(&mutex_);
  while (!stopping_) {
    const auto next = std::min_element(
        steps_.begin(), steps_.end(), [](const Entry& a, const Entry& b) { return a.due < b.due; });
    const absl::Time now = absl::Now();
    if (next == steps_.end() || next->due > now) {
      changed_.WaitWithDeadline(&mutex_, next == steps_.end() ? absl::InfiniteFuture() : next->due);
      continue;
    }
    next->due = now + next->period;
    const Step step = next->step;
    mutex_.Unlock();
    step(now);
    mutex_.Lock();
  }
}

}  // namespace engram::storage
