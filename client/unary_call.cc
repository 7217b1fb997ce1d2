#include "client/unary_call.h"

#include <algorithm>
#include <utility>

#include <grpcpp/client_context.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/daemon_probe.h"
#include "client/daemon_status.h"

namespace engram {
namespace {

// How long the daemon may be away for calls without a deadline: enough for a restart.
constexpr absl::Duration kPatience = absl::Seconds(10);

}  // namespace

struct UnaryCall::Attempt {
  grpc::GenericStub* stub = nullptr;
  grpc::ClientContext context;
  grpc::ByteBuffer answer;
};

UnaryCall::UnaryCall(std::shared_ptr<ChannelSet> channels, std::string method,
                     grpc::ByteBuffer request, absl::Time deadline, Receiver receive)
    : method_(std::move(method)),
      deadline_(deadline),
      request_(std::move(request)),
      receive_(std::move(receive)),
      channels_(std::move(channels)) {}

std::shared_ptr<UnaryCall> UnaryCall::Start(std::shared_ptr<ChannelSet> channels,
                                            std::string method, grpc::ByteBuffer request,
                                            absl::Time deadline, Receiver receive) {
  std::shared_ptr<UnaryCall> call(new UnaryCall(std::move(channels), std::move(method),
                                                std::move(request), deadline, std::move(receive)));
  call->Try();
  return call;
}

std::shared_ptr<UnaryCall> UnaryCall::Refused(absl::Status status) {
  std::shared_ptr<UnaryCall> call(
      new UnaryCall(nullptr, "", grpc::ByteBuffer(), absl::InfiniteFuture(), nullptr));
  absl::MutexLock lock(&call->mutex_);
  call->Finish(std::move(status));
  return call;
}

absl::Status UnaryCall::Wait() {
  const absl::Time start = absl::Now();
  absl::MutexLock lock(&mutex_);
  if (deadline_ != absl::InfiniteFuture()) {
    if (!mutex_.AwaitWithDeadline(absl::Condition(&done_), deadline_ + kGrace)) {
      Abandon(absl::DeadlineExceededError(absl::StrCat("the deadline passed, and the daemon at ",
                                                       channels_->address(),
                                                       " takes no more from the connection")));
    }
    return status_;
  }
  while (!mutex_.AwaitWithTimeout(absl::Condition(&done_), kLongWait)) {
    Probe(start);
  }
  return status_;
}

bool UnaryCall::done() {
  absl::MutexLock lock(&mutex_);
  return done_ || absl::Now() >= deadline_ + kGrace;
}

void UnaryCall::SetPoke(std::function<void()> poke) {
  absl::MutexLock lock(&mutex_);
  poke_ = std::move(poke);
}

void UnaryCall::CheckDaemon(absl::Time waiting_since) {
  absl::MutexLock lock(&mutex_);
  if (!done_ && deadline_ == absl::InfiniteFuture()) {
    Probe(waiting_since);
  }
}

void UnaryCall::Probe(absl::Time waiting_since) {
  const std::shared_ptr<Attempt> attempt = attempt_;
  if (attempt == nullptr) {
    return;  // the next one is about to start
  }
  const std::shared_ptr<ChannelSet> channels = channels_;
  mutex_.Unlock();
  const bool answers = DaemonAnswers(channels, attempt->stub);
  mutex_.Lock();
  if (!answers && attempt_ == attempt) {
    ++failures_;
    first_failure_ = std::min(first_failure_, waiting_since);
    last_cause_ = absl::UnavailableError("it does not answer");
    Abandon(DaemonAway());
  }
}

void UnaryCall::Abandon(absl::Status status) {
  mutex_.Await(absl::Condition(
      +[](bool* receiving) { return !*receiving; }, &receiving_));
  if (!done_) {
    Finish(std::move(status));
  }
}

void UnaryCall::Cancel() {
  std::shared_ptr<Attempt> attempt;
  {
    absl::MutexLock lock(&mutex_);
    cancelled_ = true;
    attempt = attempt_;
    if (alarm_ != nullptr) {
      alarm_->Cancel();
    }
  }
  // Outside the lock, because gRPC may call back.
  if (attempt != nullptr) {
    attempt->context.TryCancel();
  }
}

void UnaryCall::Close() {
  Cancel();
  std::shared_ptr<ChannelSet> channels;
  absl::MutexLock lock(&mutex_);
  const bool abandoned = done_ && attempt_ != nullptr;
  if (abandoned || !mutex_.AwaitWithTimeout(absl::Condition(this, &UnaryCall::Idle), kGrace)) {
    Abandon(absl::CancelledError());
    KeepForEver(channels_);
  }
  channels.swap(channels_);
}

void UnaryCall::Poke() {
  std::function<void()> poke;
  {
    absl::MutexLock lock(&mutex_);
    poke = poke_;
  }
  if (poke != nullptr) poke();
}

void UnaryCall::Try() {
  Attempt* attempt = nullptr;
  grpc::GenericStub* stub = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    alarm_.reset();
    if (done_) {
      return;  // abandoned
    }
    if (cancelled_) {
      Finish(absl::CancelledError());
      return;
    }
    attempt_ = std::make_shared<Attempt>();
    attempt = attempt_.get();
    stub = &channels_->Next();
    attempt->stub = stub;
    ++starting_;
  }
  if (deadline_ != absl::InfiniteFuture()) {
    // gRPC takes a time before 1970 for none.
    attempt->context.set_deadline(absl::ToChronoTime(std::max(deadline_, absl::UnixEpoch())));
  }
  stub->UnaryCall(&attempt->context, method_, grpc::StubOptions(), &request_, &attempt->answer,
                  [self = shared_from_this()](const grpc::Status& status) {
                    self->OnAttemptDone(status);
                    self->Poke();
                  });
  absl::MutexLock lock(&mutex_);
  --starting_;
}

void UnaryCall::OnAttemptDone(const grpc::Status& grpc_status) {
  std::shared_ptr<Attempt> attempt;
  {
    absl::MutexLock lock(&mutex_);
    attempt.swap(attempt_);
    if (done_) {
      attempt.reset();  // while there is another owner of its channel
      return;           // abandoned: the memory that it was to go to may be gone
    }
    receiving_ = true;
  }
  absl::Status status = FromDaemon(grpc_status.error_code(), grpc_status.error_message(), method_);
  if (status.ok()) {
    status = receive_(&attempt->answer);
  }
  // It shares a channel, whose last owner this thread must not be: it goes before the call is done.
  attempt.reset();
  absl::MutexLock lock(&mutex_);
  receiving_ = false;
  if (absl::IsUnavailable(status)) {
    if (RetryLater(status)) {
      return;
    }
    status = DaemonAway();
  } else if (absl::IsDeadlineExceeded(status) && failures_ > 0) {
    status = DaemonAway();
  }
  Finish(std::move(status));
}

bool UnaryCall::RetryLater(const absl::Status& cause) {
  const absl::Time now = absl::Now();
  if (failures_ == 0) {
    first_failure_ = now;
  }
  ++failures_;
  last_cause_ = cause;
  const absl::Time last_try =
      deadline_ == absl::InfiniteFuture() ? first_failure_ + kPatience : deadline_;
  if (cancelled_ || now >= last_try) {
    return false;
  }
  // A new one each time: the one before may still be in its callback.
  alarm_ = std::make_unique<grpc::Alarm>();
  alarm_->Set(absl::ToChronoTime(std::min(now + channels_->Backoff(failures_), last_try)),
              [self = shared_from_this()](bool /*expired*/) {
                self->Try();
                self->Poke();
              });
  return true;
}

absl::Status UnaryCall::DaemonAway() const {
  const bool endless = deadline_ == absl::InfiniteFuture();
  const absl::Duration tried = absl::Trunc(absl::Now() - first_failure_, absl::Milliseconds(1));
  return {endless ? absl::StatusCode::kUnavailable : absl::StatusCode::kDeadlineExceeded,
          absl::StrCat(endless ? "" : "the deadline passed while ", "the daemon at ",
                       channels_->address(), " was not there: tried for ",
                       absl::FormatDuration(tried), ", ", failures_,
                       failures_ == 1 ? " time" : " times", "; last: ", last_cause_.message())};
}

void UnaryCall::Finish(absl::Status status) {
  status_ = cancelled_ ? absl::CancelledError("the call was cancelled") : std::move(status);
  done_ = true;
}

}  // namespace engram
