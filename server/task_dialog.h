// Long work on behalf of one call, on a thread of its own, that goes on as the caller sends more.
#ifndef ENGRAM_SERVER_TASK_DIALOG_H_
#define ENGRAM_SERVER_TASK_DIALOG_H_

#include <functional>
#include <utility>

#include <grpcpp/grpcpp.h>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/status_conversion.h"
#include "server/tasks.h"

namespace engram::server {

// The reactor of an rpc with messages both ways, one at a time: what the caller sends meanwhile
// waits in the connection, whose windows bound it. Deletes itself.
template <typename Request, typename Progress>
class TaskDialog final : public grpc::ServerBidiReactor<Request, Progress> {
 public:
  // Is given the dialog, to call Read, Write and GoOn from one thread.
  using Task = std::function<absl::Status(TaskDialog*)>;

  // Starts `task` as one of `tasks`; if that is refused, so is the call.
  TaskDialog(Tasks* tasks, Task task) : tasks_(tasks) {
    absl::Status status = tasks->Start([this, task = std::move(task)] { Run(task); });
    if (!status.ok()) this->Finish(ToGrpcStatus(status));
  }

  // Waits for the caller's next message. Returns false if there is none, or GoOn() is false.
  bool Read(Request* request) {
    absl::MutexLock lock(&mutex_);
    reading_ = true;
    this->StartRead(&incoming_);
    while (reading_ && GoOnLocked()) changed_.WaitWithTimeout(&mutex_, kStopCheckInterval);
    if (reading_ || !read_ok_) return false;
    *request = std::move(incoming_);
    return true;
  }

  // Sends a message, and waits until it is on its way. Returns GoOn().
  bool Write(Progress progress) {
    absl::MutexLock lock(&mutex_);
    outgoing_ = std::move(progress);
    writing_ = true;
    this->StartWrite(&outgoing_);
    while (writing_ && GoOnLocked()) changed_.WaitWithTimeout(&mutex_, kStopCheckInterval);
    return GoOnLocked();
  }

  // False once the caller is gone, or the daemon stops.
  bool GoOn() const {
    absl::MutexLock lock(&mutex_);
    return GoOnLocked();
  }

  void OnReadDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    reading_ = false;
    read_ok_ = ok;
    changed_.Signal();
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    cancelled_ = cancelled_ || !ok;
    changed_.Signal();
  }

  void OnCancel() override {
    absl::MutexLock lock(&mutex_);
    cancelled_ = true;
    changed_.Signal();
  }

  void OnDone() override {
    // Whoever called Finish may still hold the lock.
    { absl::MutexLock lock(&mutex_); }
    delete this;
  }

 private:
  // How soon a task that waits for a caller who says nothing sees that the daemon stops.
  static constexpr absl::Duration kStopCheckInterval = absl::Milliseconds(100);

  bool GoOnLocked() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return !cancelled_ && !tasks_->stopping();
  }

  void Run(const Task& task) {
    absl::Status status = task(this);
    if (tasks_->stopping() && absl::IsCancelled(status)) status = StoppingError();
    absl::MutexLock lock(&mutex_);
    while (writing_) changed_.Wait(&mutex_);
    this->Finish(ToGrpcStatus(status));
  }

  Tasks* const tasks_;
  mutable absl::Mutex mutex_;
  absl::CondVar changed_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;  // into incoming_
  bool read_ok_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;  // from outgoing_
  Request incoming_;
  Progress outgoing_;
};

}  // namespace engram::server

#endif  // ENGRAM_SERVER_TASK_DIALOG_H_
