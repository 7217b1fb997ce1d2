// Long work on behalf of one call, on a thread of its own, with progress streamed to the caller.
#ifndef ENGRAM_SERVER_TASK_STREAM_H_
#define ENGRAM_SERVER_TASK_STREAM_H_

#include <atomic>
#include <deque>
#include <functional>
#include <utility>

#include <grpcpp/grpcpp.h>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "server/status_conversion.h"
#include "server/tasks.h"

namespace engram::server {

// The reactor of a server-streaming rpc whose messages are Progress. Deletes itself.
template <typename Progress>
class TaskStream final : public grpc::ServerWriteReactor<Progress> {
 public:
  // Sends a message; returns false if the task should stop. `keep` is false for messages that a
  // later one may replace while the caller is slow to read.
  using Emit = std::function<bool(Progress message, bool keep)>;
  using Task = std::function<absl::Status(const Emit&)>;

  // Starts `task` as one of `tasks`; if that is refused, so is the call.
  TaskStream(Tasks* tasks, Task task) : tasks_(tasks) {
    absl::Status status = tasks->Start([this, task = std::move(task)] { Run(task); });
    if (!status.ok()) {
      this->Finish(ToGrpcStatus(status));
    }
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    messages_.pop_front();
    if (!ok) {
      cancelled_.store(true, std::memory_order_relaxed);
    }
    Advance();
  }

  void OnCancel() override { cancelled_.store(true, std::memory_order_relaxed); }

  void OnDone() override {
    // Whoever called Finish may still hold the lock.
    { absl::MutexLock lock(&mutex_); }
    delete this;
  }

 private:
  struct Message {
    Progress progress;
    bool keep;
  };

  void Run(const Task& task) {
    absl::Status status =
        task([this](Progress message, bool keep) { return Send(std::move(message), keep); });
    if (tasks_->stopping() && absl::IsCancelled(status)) {
      status = StoppingError();
    }
    absl::MutexLock lock(&mutex_);
    status_ = std::move(status);
    task_done_ = true;
    Advance();
  }

  bool Send(Progress message, bool keep) {
    absl::MutexLock lock(&mutex_);
    if (!messages_.empty() && !messages_.back().keep && !(writing_ && messages_.size() == 1)) {
      messages_.pop_back();
    }
    messages_.push_back({std::move(message), keep});
    Advance();
    return !cancelled_.load(std::memory_order_relaxed) && !tasks_->stopping();
  }

  void Advance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!writing_ && !messages_.empty()) {
      writing_ = true;
      this->StartWrite(&messages_.front().progress);
    } else if (task_done_ && messages_.empty()) {
      this->Finish(ToGrpcStatus(status_));
    }
  }

  Tasks* const tasks_;
  std::atomic<bool> cancelled_{false};
  absl::Mutex mutex_;
  std::deque<Message> messages_ ABSL_GUARDED_BY(mutex_);  // the first is being written
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool task_done_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::server

#endif  // ENGRAM_SERVER_TASK_STREAM_H_
