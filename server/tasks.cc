#include "server/tasks.h"

#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/status_conversion.h"

namespace engram::server {

absl::Status Tasks::Start(std::function<void()> task) {
  absl::MutexLock lock(&mutex_);
  if (stopping_) {
    return StoppingError();
  }
  if (running_ == most_) {
    return absl::ResourceExhaustedError(absl::StrCat(
        running_, " ", kind_, " are running, as many as may at once: try again later"));
  }
  try {
    std::thread([this, task = std::move(task)]() mutable {
      task();
      task = nullptr;
      absl::MutexLock end_lock(&mutex_);
      --running_;
    }).detach();
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(absl::StrCat("no thread to be had: ", error.what()));
  }
  ++running_;
  return absl::OkStatus();
}

void Tasks::Stop() {
  absl::MutexLock lock(&mutex_);
  stopping_ = true;
}

bool Tasks::stopping() const {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

void Tasks::AwaitAll() {
  absl::MutexLock lock(&mutex_);
  const auto idle = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return running_ == 0; };
  mutex_.Await(absl::Condition(&idle));
}

}  // namespace engram::server
