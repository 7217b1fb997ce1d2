#include "client/fetch_stream.h"

#include <deque>
#include <utility>

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "client/daemon_probe.h"
#include "engram/v1/engram.pb.h"
#include "proto/fetch_wire.h"

namespace engram {
namespace {

constexpr char kFetchStream[] = "/engram.v1.Engram/FetchStream";
constexpr size_t kSmallAnswer = 64 << 10;

}  // namespace

// The rpc. What gRPC calls back may run on several threads at once. It is held open, so that
// threads of the client may send, until it is lost.
class FetchStream::Rpc final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  explicit Rpc(grpc::GenericStub* stub) {
    stub->PrepareBidiStreamingCall(&context_, kFetchStream, grpc::StubOptions(), this);
  }

  void Start() {
    AddHold();
    StartRead(&incoming_);
    StartCall();
  }

  // Lets the receiver wait for the answer to a request that is sent next; false if it cannot.
  bool Expect(uint64_t ticket, std::shared_ptr<Receiver> receiver, size_t max_owed) {
    absl::MutexLock lock(&mutex_);
    if (lost_ || receivers_.size() >= max_owed) {
      return false;
    }
    receivers_.emplace(ticket, std::move(receiver));
    return true;
  }

  // If the rpc was lost meanwhile, its receivers were told.
  void Send(grpc::ByteBuffer request) {
    grpc::ByteBuffer* first = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      if (lost_) {
        return;
      }
      requests_.push_back(std::move(request));
      if (requests_.size() > 1) {
        return;
      }
      first = StartSending();
    }
    HandOver(first);
  }

  bool lost() const {
    absl::MutexLock lock(&mutex_);
    return lost_;
  }
  bool answered() const {
    absl::MutexLock lock(&mutex_);
    return answered_;
  }
  bool ended() const { return ended_.HasBeenNotified(); }

  // Ends it; false if gRPC does not.
  bool End() {
    context_.TryCancel();
    return ended_.WaitForNotificationWithTimeout(kGrace);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      Lose();
      return;
    }
    grpc::ByteBuffer answer;
    answer.Swap(&incoming_);
    std::shared_ptr<Receiver> receiver;
    if (const auto ticket = wire::TicketOf(&answer); ticket.ok()) {
      absl::MutexLock lock(&mutex_);
      if (const auto node = receivers_.extract(*ticket); !node.empty()) {
        receiver = node.mapped();
        answered_ = true;
      }
    }
    // The next answer comes in while this one is copied. Not before its receiver was taken: what
    // comes may be the end.
    StartRead(&incoming_);
    if (receiver != nullptr) {
      receiver->OnAnswer(&answer);
    } else {
      context_.TryCancel();  // nonsense; whoever waits is to ask in another way
    }
  }

  void OnWriteDone(bool ok) override {
    grpc::ByteBuffer* first = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      requests_.pop_front();
      if (!ok || lost_ || requests_.empty()) {
        return;
      }
      first = StartSending();
    }
    HandOver(first);
  }

  void OnDone(const grpc::Status& /*status*/) override {
    Lose();
    ended_.Notify();  // from here on it may be destroyed
  }

 private:
  // The first request, which the caller has to hand over; it stays where it is until it was sent.
  grpc::ByteBuffer* StartSending() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    ++sending_;
    return &requests_.front();
  }

  // Gives a request to gRPC, which may go on to send it just here: not under the lock.
  void HandOver(grpc::ByteBuffer* request) {
    StartWrite(request);
    bool last = false;
    {
      absl::MutexLock lock(&mutex_);
      last = --sending_ == 0 && lost_;
    }
    if (last) {
      RemoveHold();
    }
  }

  void Lose() {
    absl::flat_hash_map<uint64_t, std::shared_ptr<Receiver>> receivers;
    bool last = false;
    {
      absl::MutexLock lock(&mutex_);
      if (lost_) {
        return;
      }
      lost_ = true;
      receivers.swap(receivers_);
      last = sending_ == 0;
    }
    for (auto& [ticket, receiver] : receivers) {
      receiver->OnLost();
    }
    if (last) {
      RemoveHold();
    }
  }

  grpc::ClientContext context_;
  grpc::ByteBuffer incoming_;
  absl::Notification ended_;

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<uint64_t, std::shared_ptr<Receiver>> receivers_ ABSL_GUARDED_BY(mutex_);
  std::deque<grpc::ByteBuffer> requests_ ABSL_GUARDED_BY(mutex_);  // the first is being sent
  int sending_ ABSL_GUARDED_BY(mutex_) = 0;  // threads that hand a request to gRPC
  bool answered_ ABSL_GUARDED_BY(mutex_) = false;
  bool lost_ ABSL_GUARDED_BY(mutex_) = false;
};

FetchStream::FetchStream(std::shared_ptr<ChannelSet> channels, grpc::GenericStub* stub)
    : channels_(std::move(channels)), stub_(stub) {}

FetchStream::~FetchStream() {
  absl::MutexLock lock(&mutex_);
  if (rpc_ != nullptr && !rpc_->End()) {
    KeepForEver(channels_);
    KeepForEver(std::move(rpc_));  // gRPC may call it yet
  }
}

std::shared_ptr<FetchStream::Rpc> FetchStream::OpenRpc() {
  absl::MutexLock lock(&mutex_);
  if (rpc_ != nullptr && rpc_->lost()) {
    if (!rpc_->ended()) {
      return nullptr;
    }
    failures_ = rpc_->answered() ? 1 : failures_ + 1;
    next_try_ = absl::Now() + channels_->Backoff(failures_);
    rpc_.reset();
  }
  if (rpc_ == nullptr && absl::Now() >= next_try_) {
    rpc_ = std::make_shared<Rpc>(stub_);
    rpc_->Start();
  }
  return rpc_;
}

bool FetchStream::Send(std::shared_ptr<Receiver> receiver, size_t max_owed,
                       absl::FunctionRef<grpc::ByteBuffer(uint64_t ticket)> encode) {
  const std::shared_ptr<Rpc> rpc = max_owed > 0 ? OpenRpc() : nullptr;
  if (rpc == nullptr) {
    return false;
  }
  const uint64_t ticket = last_ticket_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (!rpc->Expect(ticket, std::move(receiver), max_owed)) {
    return false;
  }
  rpc->Send(encode(ticket));
  return true;
}

void FetchStream::Cancel(uint64_t ticket) {
  std::shared_ptr<Rpc> rpc;
  {
    absl::MutexLock lock(&mutex_);
    rpc = rpc_;
  }
  if (rpc == nullptr) return;
  v1::FetchRequest request;
  request.set_ticket(ticket);
  request.set_cancel(true);
  const grpc::Slice message(request.SerializeAsString());
  rpc->Send(grpc::ByteBuffer(&message, 1));
}

bool FetchStream::DaemonAnswers() const { return engram::DaemonAnswers(channels_, stub_); }

FetchStreams::FetchStreams(const std::shared_ptr<ChannelSet>& channels) {
  for (size_t i = 0; i < channels->size(); ++i) {
    pairs_.push_back({.small = std::make_shared<FetchStream>(channels, &channels->stub(i)),
                      .large = std::make_shared<FetchStream>(channels, &channels->stub(i))});
  }
}

std::shared_ptr<FetchStream> FetchStreams::Next(size_t answer_bytes) {
  const Pair& pair = pairs_[turn_.fetch_add(1, std::memory_order_relaxed) % pairs_.size()];
  return answer_bytes <= kSmallAnswer ? pair.small : pair.large;
}

}  // namespace engram
