#include "tests/client/fake_streams_testing.h"

#include <algorithm>
#include <deque>
#include <utility>

#include <grpcpp/support/proto_buffer_reader.h>

namespace engram {
namespace {

constexpr uint32_t kPattern = 0xEEEEEEEE;

}  // namespace

// One rpc. The lock is the owner's, which lives on while the stream deletes itself.
class FakeStreams::Stream final : public FakeDaemon::StreamReactor {
 public:
  Stream(FakeStreams* owner, int number) : owner_(owner), number_(number) { StartRead(&incoming_); }

  void OnReadDone(bool ok) override {
    if (!ok) {
      absl::MutexLock lock(&owner_->mutex_);
      End(grpc::Status::OK);
      return;
    }
    v1::FetchRequest request;
    {
      grpc::ProtoBufferReader reader(&incoming_);
      EXPECT_TRUE(request.ParseFromZeroCopyStream(&reader));
    }
    if (request.cancel()) {
      absl::MutexLock lock(&owner_->mutex_);
      owner_->cancels_.push_back(std::move(request));
      if (!end_.has_value()) StartRead(&incoming_);
      return;
    }
    Reply reply = owner_->script_(request);
    absl::MutexLock lock(&owner_->mutex_);
    owner_->received_.push_back({.request = std::move(request), .stream = number_});
    for (std::string& answer : reply.answers) {
      Send(std::move(answer));
    }
    if (reply.end.has_value()) {
      End(*reply.end);
    } else if (reply.read_on && !end_.has_value()) {
      StartRead(&incoming_);
    }
  }

  void OnWriteDone(bool /*ok*/) override {
    absl::MutexLock lock(&owner_->mutex_);
    writing_ = false;
    Advance();
  }

  void OnCancel() override {
    absl::MutexLock lock(&owner_->mutex_);
    answers_.clear();
    End(grpc::Status::CANCELLED);
  }

  void OnDone() override {
    {
      absl::MutexLock lock(&owner_->mutex_);
      owner_->open_.erase(number_);
    }
    delete this;
  }

  void Send(std::string message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_->mutex_) {
    if (!end_.has_value()) {
      answers_.push_back(std::move(message));
      Advance();
    }
  }

  void End(const grpc::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_->mutex_) {
    if (!end_.has_value()) {
      end_ = status;
    }
    Advance();
  }

 private:
  void Advance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(owner_->mutex_) {
    if (writing_ || finished_) {
      return;
    }
    if (!answers_.empty()) {
      const grpc::Slice slice(answers_.front());
      answers_.pop_front();
      outgoing_ = grpc::ByteBuffer(&slice, 1);
      writing_ = true;
      StartWrite(&outgoing_);
    } else if (end_.has_value()) {
      finished_ = true;
      Finish(*end_);
    }
  }

  FakeStreams* const owner_;
  const int number_;
  grpc::ByteBuffer incoming_;
  grpc::ByteBuffer outgoing_;
  std::deque<std::string> answers_;
  std::optional<grpc::Status> end_;
  bool writing_ = false;
  bool finished_ = false;
};

FakeDaemon::StreamReactor* FakeStreams::Open() {
  absl::MutexLock lock(&mutex_);
  const int number = ++opened_;
  auto* const stream = new Stream(this, number);
  open_[number] = stream;
  return stream;
}

int FakeStreams::opened() const {
  absl::MutexLock lock(&mutex_);
  return opened_;
}

size_t FakeStreams::received() const {
  absl::MutexLock lock(&mutex_);
  return received_.size();
}

std::vector<v1::FetchRequest> FakeStreams::AwaitRequests(size_t count) const {
  const auto enough = [&]()
                          ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return received_.size() >= count; };
  absl::MutexLock lock(&mutex_, absl::Condition(&enough));
  std::vector<v1::FetchRequest> requests;
  for (const Received& received : received_) {
    requests.push_back(received.request);
  }
  return requests;
}

std::vector<v1::FetchRequest> FakeStreams::AwaitCancels(size_t count) const {
  const auto enough = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return cancels_.size() >= count; };
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&enough));
  return cancels_;
}

void FakeStreams::AwaitEnded(int count) const {
  const auto enough = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return opened_ - static_cast<int>(open_.size()) >= count;
  };
  absl::MutexLock lock(&mutex_, absl::Condition(&enough));
}

FakeStreams::Stream* FakeStreams::Find(size_t i) {
  const auto found = open_.find(received_.at(i).stream);
  return found == open_.end() ? nullptr : found->second;
}

void FakeStreams::Send(size_t i, std::string message) {
  absl::MutexLock lock(&mutex_);
  if (Stream* const stream = Find(i); stream != nullptr) {
    stream->Send(std::move(message));
  }
}

void FakeStreams::SendRightAnswer(size_t i) { Send(i, RightMessage(AwaitRequests(i + 1)[i])); }

void FakeStreams::End(size_t i, const grpc::Status& status) {
  absl::MutexLock lock(&mutex_);
  if (Stream* const stream = Find(i); stream != nullptr) {
    stream->End(status);
  }
}

std::string RightMessage(const v1::FetchRequest& request, TicketPlace place) {
  v1::FetchResponse ticket;
  ticket.set_ticket(request.ticket());
  const std::string rows = RightAnswer(request).SerializeAsString();
  return place == TicketPlace::kFirst ? ticket.SerializeAsString() + rows
                                      : rows + ticket.SerializeAsString();
}

std::string ErrorMessage(const v1::FetchRequest& request, int code, const std::string& what) {
  v1::FetchResponse response;
  response.set_ticket(request.ticket());
  response.mutable_error()->set_code(code);
  response.mutable_error()->set_message(what);
  return response.SerializeAsString();
}

FakeStreams::Reply Hold(const v1::FetchRequest& /*request*/) { return {}; }

FakeStreams::Reply AnswerAtOnce(const v1::FetchRequest& request) {
  return {.answers = {RightMessage(request)}};
}

StreamRig::StreamRig(FakeStreams::Script script, uint32_t max_stream_fetches,
                     absl::Duration backoff)
    : streams(std::move(script)),
      daemon(
          Transport::kUnix,
          [](const v1::FetchRequest& request, int) {
            return FakeDaemon::Answer{.message = RightAnswer(request).SerializeAsString()};
          },
          [this] { return streams.Open(); }) {
  daemon.opened().set_max_stream_fetches(max_stream_fetches);
  ClientOptions options = TestClientOptions(daemon.address());
  options.min_backoff = backoff;
  options.max_backoff = std::max(backoff, options.max_backoff);
  auto connected = Client::Connect(options);
  EXPECT_TRUE(connected.ok()) << connected.status();
  client = *std::move(connected);
  table = MustOpen(*client, "any");
}

SmallFetch::SmallFetch(Table& table, uint32_t seed, const FetchOptions& options)
    : ids_(RandomIds(table, 2, seed)), rows_(ids_.size(), kPattern) {
  ticket_ = table.Submit(
      ids_,
      absl::MakeSpan(reinterpret_cast<std::byte*>(rows_.data()), rows_.size() * sizeof(uint32_t)),
      options);
}

absl::Status SmallFetch::Wait() {
  const absl::Status status = ticket_->Wait();
  if (status.ok()) {
    EXPECT_EQ(rows_, ids_);
  }
  return status;
}

bool SmallFetch::untouched() const {
  return std::all_of(rows_.begin(), rows_.end(), [](uint32_t row) { return row == kPattern; });
}

}  // namespace engram
