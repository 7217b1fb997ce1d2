#include "server/fetch_stream.h"

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "server/status_conversion.h"

namespace engram::server {
namespace {

grpc::ByteBuffer EncodeError(uint64_t ticket, const absl::Status& status) {
  v1::FetchResponse response;
  response.set_ticket(ticket);
  response.mutable_error()->set_code(static_cast<int>(status.code()));
  response.mutable_error()->set_message(std::string(status.message()));
  const grpc::Slice slice(response.SerializeAsString());
  return {&slice, 1};
}

}  // namespace

// One stream. Reads, fetches and writes overlap; the reactor's state says which are under way, and
// the call is finished when it is over and nothing is. gRPC calls OnDone after that.
class FetchStreams::Stream final : public FetchStreams::Reactor {
 public:
  explicit Stream(FetchStreams* streams) : streams_(streams) {}

  void Begin() {
    absl::MutexLock lock(&mutex_);
    Advance();
  }

  void Drain() { End(ToGrpcStatus(StoppingError())); }

  void OnReadDone(bool ok) override {
    if (!ok) {
      End(grpc::Status::OK);
      return;
    }
    auto request = ParseFetchRequest(incoming_);
    if (!request.ok()) {
      End(ToGrpcStatus(request.status()));
      return;
    }
    if (request->cancel()) {
      Cancel(request->ticket());
    } else if (!StartFetch(*std::move(request))) {
      return;
    }
    absl::MutexLock lock(&mutex_);
    reading_ = false;
    Advance();
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    --owed_;
    answers_.pop_front();
    if (!ok) {
      EndLocked(grpc::Status::CANCELLED);
    }
    Advance();
  }

  void OnCancel() override { End(grpc::Status::CANCELLED); }

  void OnDone() override {
    streams_->Remove(this);
    // Whoever called Finish may still hold the lock.
    { absl::MutexLock lock(&mutex_); }
    delete this;
  }

 private:
  // Returns false if the stream has ended, and perhaps finished, too: no fetch may outlive it.
  bool StartFetch(v1::FetchRequest request) {
    const uint64_t ticket = request.ticket();
    auto cancelled = std::make_shared<storage::CancelFlag>(0);
    {
      absl::MutexLock lock(&mutex_);
      if (ended_) {
        return false;
      }
      ++owed_;
      under_way_.emplace(ticket, cancelled);
    }
    streams_->handler_->Start(
        std::move(request), absl::InfiniteFuture(), std::move(cancelled),
        [this, ticket](absl::StatusOr<grpc::ByteBuffer> answer) {
          Answer(ticket, answer.ok() ? *std::move(answer) : EncodeError(ticket, answer.status()));
        });
    return true;
  }

  void Cancel(uint64_t ticket) {
    absl::MutexLock lock(&mutex_);
    const auto [begin, end] = under_way_.equal_range(ticket);
    for (auto fetch = begin; fetch != end; ++fetch) {
      fetch->second->store(1, std::memory_order_relaxed);
    }
  }

  void Answer(uint64_t ticket, grpc::ByteBuffer answer) {
    absl::MutexLock lock(&mutex_);
    under_way_.erase(under_way_.find(ticket));
    answers_.push_back(std::move(answer));
    Advance();
  }

  void End(const grpc::Status& status) {
    absl::MutexLock lock(&mutex_);
    EndLocked(status);
    Advance();
  }

  void EndLocked(const grpc::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!ended_) {
      ended_ = true;
      status_ = status;
    }
    // Nobody is there to read what is left.
    if (status.error_code() == grpc::StatusCode::CANCELLED) {
      while (answers_.size() > (writing_ ? 1 : 0)) {
        answers_.pop_back();
        --owed_;
      }
      for (const auto& [ticket, cancelled] : under_way_) {
        cancelled->store(1, std::memory_order_relaxed);
      }
    }
  }

  // Starts whatever may be started now.
  void Advance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (finished_) {
      return;
    }
    if (!writing_ && !answers_.empty()) {
      writing_ = true;
      StartWrite(&answers_.front());
    }
    if (!ended_ && !reading_ && owed_ < streams_->max_fetches_) {
      reading_ = true;
      StartRead(&incoming_);
    }
    if (ended_ && owed_ == 0) {
      finished_ = true;
      Finish(status_);
    }
  }

  FetchStreams* const streams_;
  grpc::ByteBuffer incoming_;  // written by gRPC while reading_

  absl::Mutex mutex_;
  std::deque<grpc::ByteBuffer> answers_ ABSL_GUARDED_BY(mutex_);  // the first is being written
  // By ticket, which nothing keeps a client from using twice.
  std::multimap<uint64_t, std::shared_ptr<storage::CancelFlag>> under_way_ ABSL_GUARDED_BY(mutex_);
  uint32_t owed_ ABSL_GUARDED_BY(mutex_) = 0;  // fetches started and not yet written
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;  // no further request is read
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Status status_ ABSL_GUARDED_BY(mutex_);
};

FetchStreams::Reactor* FetchStreams::Open() {
  auto* const stream = new Stream(this);
  bool draining = false;
  {
    absl::MutexLock lock(&mutex_);
    streams_.insert(stream);
    draining = draining_;
  }
  if (draining) {
    stream->Drain();
  } else {
    stream->Begin();
  }
  return stream;
}

void FetchStreams::BeginDrain() {
  // A stream removes itself in OnDone, which waits for this lock.
  absl::MutexLock lock(&mutex_);
  draining_ = true;
  for (Stream* stream : streams_) {
    stream->Drain();
  }
}

void FetchStreams::Remove(Stream* stream) {
  absl::MutexLock lock(&mutex_);
  streams_.erase(stream);
}

}  // namespace engram::server
