#include "client/stream_call.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/daemon_probe.h"
#include "client/daemon_status.h"
#include "engram/v1/engram.pb.h"
#include "proto/fetch_wire.h"

namespace engram {
namespace {

absl::Status Decode(grpc::ByteBuffer* answer, absl::Span<std::byte> rows, absl::Span<Tier> tiers) {
  v1::FetchResponse head;
  const absl::Span<std::byte> tier_bytes(reinterpret_cast<std::byte*>(tiers.data()), tiers.size());
  if (auto status = wire::DecodeFetchResponse(answer, rows, tier_bytes, &head); !status.ok()) {
    return status;
  }
  if (!head.has_error()) {
    return absl::OkStatus();
  }
  if (head.error().code() == 0) {
    return absl::InternalError("the answer has an error that says OK");
  }
  return FromDaemon(head.error().code(), head.error().message(), "FetchStream");
}

}  // namespace

std::shared_ptr<StreamCall> StreamCall::Start(std::shared_ptr<FetchStream> stream,
                                              absl::string_view head, size_t max_owed,
                                              absl::Span<const uint32_t> row_ids,
                                              absl::Span<std::byte> rows,
                                              const FetchOptions& options, Fallback fallback) {
  std::shared_ptr<StreamCall> call(
      new StreamCall(std::move(stream), rows, options, std::move(fallback)));
  return call->Send(head, max_owed, row_ids, options) ? call : nullptr;
}

StreamCall::StreamCall(std::shared_ptr<FetchStream> stream, absl::Span<std::byte> rows,
                       const FetchOptions& options, Fallback fallback)
    : rows_(rows),
      tiers_(options.tiers),
      give_up_at_(GiveUpAt(options)),
      stream_(std::move(stream)),
      fallback_(std::move(fallback)) {}

bool StreamCall::Send(absl::string_view head, size_t max_owed, absl::Span<const uint32_t> row_ids,
                      const FetchOptions& options) {
  const auto deadline_us = MicrosecondsToDeadline(options);
  if (!deadline_us.has_value()) return false;
  v1::FetchRequest of_this_call;
  of_this_call.set_deadline_us(*deadline_us);
  SetOptions(options, &of_this_call);
  return stream_->Send(shared_from_this(), max_owed, [&](uint64_t ticket) {
    ticket_ = ticket;
    of_this_call.set_ticket(ticket);
    request_ = EncodeFetchRequest(absl::StrCat(head, of_this_call.SerializeAsString()), row_ids);
    return request_.message;
  });
}

void StreamCall::OnAnswer(grpc::ByteBuffer* answer) {
  {
    absl::MutexLock lock(&mutex_);
    if (state_ != State::kWaiting) {
      return;  // given up: the memory that it was to go to may be gone
    }
    state_ = State::kReceiving;
  }
  absl::Status status = Decode(answer, rows_, tiers_);
  std::function<void()> poke;
  {
    absl::MutexLock lock(&mutex_);
    state_ = absl::IsUnavailable(status) ? State::kLost : State::kEnded;
    status_ = std::move(status);
    poke = poke_;
  }
  if (poke != nullptr) poke();
}

void StreamCall::OnLost() {
  std::function<void()> poke;
  {
    absl::MutexLock lock(&mutex_);
    if (state_ == State::kWaiting) {
      state_ = State::kLost;
    }
    poke = poke_;
  }
  if (poke != nullptr) poke();
}

void StreamCall::SetPoke(std::function<void()> poke) {
  absl::MutexLock lock(&mutex_);
  poke_ = std::move(poke);
}

absl::Status StreamCall::Wait() {
  const absl::Time start = absl::Now();
  while (!done() && other_ == nullptr) {
    AwaitAnswer(start);
  }
  if (other_ != nullptr) {
    return other_->Wait();
  }
  absl::MutexLock lock(&mutex_);
  return status_;
}

void StreamCall::AwaitAnswer(absl::Time waiting_since) {
  {
    const absl::Time until = std::min(give_up_at_, absl::Now() + kLongWait);
    absl::MutexLock lock(&mutex_);
    if (mutex_.AwaitWithDeadline(absl::Condition(this, &StreamCall::Over), until) ||
        absl::Now() >= give_up_at_) {
      return;
    }
  }
  CheckDaemon(waiting_since);
}

void StreamCall::CheckDaemon(absl::Time waiting_since) {
  if (other_ != nullptr) {
    other_->CheckDaemon(waiting_since);
  } else if (!stream_->DaemonAnswers()) {
    absl::MutexLock lock(&mutex_);
    GiveUp(absl::UnavailableError(absl::StrCat(
        "the daemon at ", stream_->address(), " was not there: it does not answer, after ",
        absl::FormatDuration(absl::Trunc(absl::Now() - waiting_since, absl::Milliseconds(1))))));
  }
}

bool StreamCall::done() {
  if (other_ != nullptr) {
    return other_->done();
  }
  {
    absl::MutexLock lock(&mutex_);
    if (!Over() && absl::Now() >= give_up_at_) {
      GiveUp(absl::DeadlineExceededError("the deadline passed before the daemon answered"));
    }
    if (state_ != State::kLost) {
      return state_ == State::kEnded;
    }
  }
  other_ = fallback_(request_.row_ids);
  std::function<void()> poke;
  {
    absl::MutexLock lock(&mutex_);
    poke = poke_;
  }
  if (poke != nullptr) other_->SetPoke(std::move(poke));
  return other_->done();
}

bool StreamCall::GiveUp(absl::Status status) {
  mutex_.Await(absl::Condition(this, &StreamCall::NotReceiving));
  if (state_ != State::kWaiting) return false;
  state_ = State::kEnded;
  status_ = std::move(status);
  return true;
}

void StreamCall::Cancel() {
  if (other_ != nullptr) {
    other_->Cancel();
    return;
  }
  bool given_up = false;
  {
    absl::MutexLock lock(&mutex_);
    given_up = GiveUp(absl::CancelledError("the call was cancelled"));
    if (state_ == State::kLost) {
      state_ = State::kEnded;
      status_ = absl::CancelledError("the call was cancelled");
    }
  }
  if (given_up) stream_->Cancel(ticket_);
}

void StreamCall::Close() {
  Cancel();
  if (other_ != nullptr) {
    other_->Close();
  }
  request_ = {};
  fallback_ = nullptr;
  stream_.reset();
}

}  // namespace engram
