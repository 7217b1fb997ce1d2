// Long work on behalf of one call, on a thread of its own, with progress streamed to the caller.
#ifndef ENGRAM_SERVER_TASK_STREAM_H_
#define ENGRAM_SERVER_TASK_STREAM_H_

#include <atomic>
#include <deque>
#include <functional>
#include <thread>
#include <utility>

#include <grpcpp/grpcpp.h>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "server/status_conversion.h"

namespace engram::server {

// Knows how many tasks run, and tells them to stop. Thread-safe; must outlive them.
class TaskTracker {
 public:
  void Started() {
    absl::MutexLock lock(&mutex_);
    ++running_;
  }
  void Ended() {
    absl::MutexLock lock(&mutex_);
    --running_;
  }
  void Stop() { stopping_.store(true, std::memory_order_relaxed); }
  bool stopping() const { return stopping_.load(std::memory_order_relaxed); }

  // Waits until no task runs.
  void AwaitAll() {
    absl::MutexLock lock(&mutex_);
    const auto idle = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return running_ == 0; };
    mutex_.Await(absl::Condition(&idle));
  }

 private:
  std::atomic<bool> stopping_{false};
  absl::Mutex mutex_;
  int running_ ABSL_GUARDED_BY(mutex_) = 0;
};

// The reactor of a server-streaming rpc whose messages are Progress. Deletes itself.
template <typename Progress>
class TaskStream final : public grpc::ServerWriteReactor<Progress> {
 public:
  // Sends a message; returns false if the task should stop. `keep` is false for messages that a
  // later one may replace while the caller is slow to read.
  using Emit = std::function<bool(Progress message, bool keep)>;
  using Task = std::function<absl::Status(const Emit&)>;

  // Starts `task` at once.
  TaskStream(TaskTracker* tracker, Task task) : tracker_(tracker) {
    tracker_->Started();
    std::thread([this, task = std::move(task)] { Run(task); }).detach();
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
    TaskTracker* const tracker = tracker_;
    absl::Status status =
        task([this](Progress message, bool keep) { return Send(std::move(message), keep); });
    if (tracker->stopping() && absl::IsCancelled(status)) {
      status = absl::UnavailableError("the daemon is stopping");
    }
    {
      absl::MutexLock lock(&mutex_);
      status_ = std::move(status);
      task_done_ = true;
      Advance();
    }  // from here on the reactor may be gone
    tracker->Ended();
  }

  bool Send(Progress message, bool keep) {
    absl::MutexLock lock(&mutex_);
    if (!messages_.empty() && !messages_.back().keep && !(writing_ && messages_.size() == 1)) {
      messages_.pop_back();
    }
    messages_.push_back({std::move(message), keep});
    Advance();
    return !cancelled_.load(std::memory_order_relaxed) && !tracker_->stopping();
  }

  void Advance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!writing_ && !messages_.empty()) {
      writing_ = true;
      this->StartWrite(&messages_.front().progress);
    } else if (task_done_ && messages_.empty()) {
      this->Finish(ToGrpcStatus(status_));
    }
  }

  TaskTracker* const tracker_;
  std::atomic<bool> cancelled_{false};
  absl::Mutex mutex_;
  std::deque<Message> messages_ ABSL_GUARDED_BY(mutex_);  // the first is being written
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool task_done_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::server

#endif  // ENGRAM_SERVER_TASK_STREAM_H_
