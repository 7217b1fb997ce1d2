#include "tests/bench/echo_client.h"

#include <cstring>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace engram::bench {

absl::StatusOr<std::unique_ptr<EchoClient>> EchoClient::Connect(const std::string& socket,
                                                                absl::Duration timeout) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  const auto channel = grpc::CreateCustomChannel(absl::StrCat("unix:", socket),
                                                 grpc::InsecureChannelCredentials(), arguments);
  if (!channel->WaitForConnected(absl::ToChronoTime(absl::Now() + timeout))) {
    return absl::UnavailableError(absl::StrCat("nobody answers on ", socket));
  }
  auto client = absl::WrapUnique(new EchoClient(channel));
  client->stream_ = client->stub_.PrepareCall(&client->context_, "/echo", &client->queue_);
  client->stream_->StartCall(nullptr);
  if (!client->Await(1)) {
    return absl::UnavailableError(absl::StrCat("no stream on ", socket));
  }
  return client;
}

EchoClient::~EchoClient() {
  context_.TryCancel();
  grpc::Status status;
  stream_->Finish(&status, nullptr);
  Await(1);
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

bool EchoClient::Await(int count) {
  bool all = true;
  for (int i = 0; i < count; ++i) {
    void* tag = nullptr;
    bool ok = false;
    all = queue_.Next(&tag, &ok) && ok && all;
  }
  return all;
}

absl::Status EchoClient::Exchange(const grpc::ByteBuffer& request, absl::Span<std::byte> answer) {
  grpc::ByteBuffer received;
  stream_->Write(request, nullptr);
  stream_->Read(&received, nullptr);
  if (!Await(2)) {
    return absl::UnavailableError("the echo's stream broke");
  }
  std::vector<grpc::Slice> slices;
  if (received.Length() != answer.size() || !received.Dump(&slices).ok()) {
    return absl::InternalError(
        absl::StrCat("the echo sent ", received.Length(), " bytes, not ", answer.size()));
  }
  size_t at = 0;
  for (const grpc::Slice& slice : slices) {
    std::memcpy(&answer[at], slice.begin(), slice.size());
    at += slice.size();
  }
  return absl::OkStatus();
}

}  // namespace engram::bench
