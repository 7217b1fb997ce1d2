#include "storage/fetch/placement_thread.h"

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
  schedule_.Add(std::move(name), period, std::move(step));
  changed_.Signal();
}

PlacementThread::Step PlacementThread::AwaitStep() {
  absl::MutexLock lock(&mutex_);
  while (!stopping_) {
    if (Step step = schedule_.Take(absl::Now()); step != nullptr) return step;
    changed_.WaitWithDeadline(&mutex_, schedule_.NextDue());
  }
  return nullptr;
}

void PlacementThread::Run() {
  for (Step step = AwaitStep(); step != nullptr; step = AwaitStep()) step(absl::Now());
}

}  // namespace engram::storage
