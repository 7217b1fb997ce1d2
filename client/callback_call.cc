#include "client/callback_call.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "client/daemon_probe.h"
#include "client/fetch_request.h"

namespace engram {

std::shared_ptr<CallbackCall> CallbackCall::Start(std::shared_ptr<CallbackThread> thread,
                                                  std::shared_ptr<FetchCall> call,
                                                  const FetchOptions& options) {
  call->SetPoke(thread->poke());
  std::shared_ptr<CallbackCall> started(new CallbackCall(thread, std::move(call), options));
  thread->Add(started);
  return started;
}

CallbackCall::CallbackCall(std::shared_ptr<CallbackThread> thread, std::shared_ptr<FetchCall> call,
                           const FetchOptions& options)
    : thread_(std::move(thread)),
      deadline_(GiveUpAt(options)),
      start_(absl::Now()),
      call_(std::move(call)),
      on_done_(options.on_done),
      next_check_(start_ + kLongWait) {}

absl::Status CallbackCall::Wait() {
  if (thread_->IsThisThread()) {
    Finish();
  }
  absl::MutexLock lock(&mutex_, absl::Condition(this, &CallbackCall::Ended));
  return *status_;
}

bool CallbackCall::done() {
  absl::MutexLock lock(&mutex_);
  return Ended();
}

void CallbackCall::Cancel() {
  {
    absl::MutexLock lock(&mutex_);
    if (Ended() || cancelled_) {
      return;
    }
    cancelled_ = true;
  }
  thread_->poke()();
}

void CallbackCall::Close() {
  Cancel();
  if (thread_->IsThisThread()) {
    if (!done()) call_->Cancel();
    Finish();
  } else {
    absl::MutexLock lock(&mutex_, absl::Condition(&called_));
  }
  call_->Close();
}

bool CallbackCall::Advance(absl::Time now) {
  bool cancelled = false;
  {
    absl::MutexLock lock(&mutex_);
    if (called_) {
      return true;
    }
    cancelled = cancelled_;
  }
  if (cancelled) {
    call_->Cancel();
  }
  if (!call_->done() && now >= next_check_) {
    call_->CheckDaemon(start_);
    next_check_ = absl::Now() + kLongWait;
  }
  if (!call_->done()) {
    return false;
  }
  Finish();
  return true;
}

absl::Time CallbackCall::NextLook(absl::Time now) const {
  // What does not end at its deadline does so soon after.
  return std::min(next_check_, now < deadline_ ? deadline_ : now + kGrace);
}

void CallbackCall::Finish() {
  if (done()) {
    return;
  }
  absl::Status status = call_->Wait();
  {
    absl::MutexLock lock(&mutex_);
    if (cancelled_) {  // even if this thread was to learn of it only now
      status = absl::CancelledError("the call was cancelled");
    }
    status_ = status;
  }
  on_done_(status);
  on_done_ = nullptr;  // and what it holds
  absl::MutexLock lock(&mutex_);
  called_ = true;
}

}  // namespace engram
