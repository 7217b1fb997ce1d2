#include "client/engram_client.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/slice.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/callback_thread.h"
#include "client/channel_set.h"
#include "client/daemon_probe.h"
#include "client/fetch_stream.h"
#include "client/remote_table.h"
#include "client/row_buffer.h"
#include "client/shm/shared_memory.h"
#include "client/unary_call.h"
#include "engram/v1/engram.pb.h"

namespace engram {
namespace {

// How long Connect waits for memory to be shared; after that it goes on meanwhile.
constexpr absl::Duration kAttachTimeout = absl::Seconds(1);
constexpr size_t kDigestBytes = 16;
constexpr uint32_t kMaxMessageBytes = std::numeric_limits<int32_t>::max();  // protobuf's own limit

absl::Status CheckOpened(const v1::OpenTableRequest& request,
                         const v1::OpenTableResponse& response) {
  const v1::TableIdentity& identity = response.identity();
  const v1::TableSpec& spec = response.spec();
  const bool asked_for = identity.name() == request.name() && identity.version() != 0 &&
                         (request.version() == 0 || request.version() == identity.version()) &&
                         identity.digest().size() == kDigestBytes;
  const bool can_be_fetched = spec.rows() > 0 && spec.row_bytes() > 0 && spec.group_size() > 0 &&
                              response.max_fetch_rows() <= kMaxMessageBytes / sizeof(uint32_t);
  if (asked_for && can_be_fetched) {
    return absl::OkStatus();
  }
  return absl::InternalError(absl::StrCat("the answer does not fit the request for table \"",
                                          request.name(), "\", version ", request.version(), ": ",
                                          response.ShortDebugString()));
}

// Calls rpc OpenTable and waits for its answer. A daemon that is too late is one that is not there.
absl::StatusOr<v1::OpenTableResponse> CallOpenTable(const std::shared_ptr<ChannelSet>& channels,
                                                    const v1::OpenTableRequest& request,
                                                    absl::Time deadline) {
  const grpc::Slice message(request.SerializeAsString());
  v1::OpenTableResponse response;
  const auto receive = [&response](grpc::ByteBuffer* answer) {
    grpc::ProtoBufferReader reader(answer);
    return reader.status().ok() && response.ParseFromZeroCopyStream(&reader)
               ? absl::OkStatus()
               : absl::InternalError("malformed answer: it does not parse as an OpenTableResponse");
  };
  Ticket ticket(
      UnaryCall::Start(channels, kOpenTable, grpc::ByteBuffer(&message, 1), deadline, receive));
  const absl::Status status = ticket.Wait();
  if (absl::IsDeadlineExceeded(status)) {
    return absl::UnavailableError(
        absl::StrCat("no engramd answers at ", channels->address(), ": ", status.message()));
  }
  if (!status.ok()) {
    return status;
  }
  return response;
}

class ClientImpl final : public Client {
 public:
  ClientImpl(std::shared_ptr<ChannelSet> channels, std::shared_ptr<SharedMemory> memory,
             absl::Duration timeout)
      : channels_(std::move(channels)),
        streams_(std::make_shared<FetchStreams>(channels_)),
        memory_(std::move(memory)),
        timeout_(timeout) {}

  absl::StatusOr<std::unique_ptr<Table>> OpenTable(absl::string_view name,
                                                   uint64_t version) override {
    v1::OpenTableRequest request;
    request.set_name(std::string(name));
    request.set_version(version);
    const auto opened = CallOpenTable(channels_, request, absl::Now() + timeout_);
    if (!opened.ok()) {
      return opened.status();
    }
    if (absl::Status status = CheckOpened(request, *opened); !status.ok()) {
      return status;
    }
    return std::make_unique<RemoteTable>(channels_, streams_, memory_, callbacks_, *opened);
  }

  absl::StatusOr<RowBuffer> NewRowBuffer(size_t bytes) override {
    auto block = memory_->Allocate(bytes);
    auto memory = block.empty() ? RowBuffer::Memory::Private(bytes)
                                : std::make_unique<RowBuffer::Memory>(std::move(block));
    if (memory == nullptr) {
      return absl::ResourceExhaustedError(absl::StrCat("no memory for ", bytes, " bytes of rows"));
    }
    return RowBuffer(std::move(memory));
  }

  absl::Status shared_memory() const override { return memory_->status(); }

 private:
  const std::shared_ptr<ChannelSet> channels_;
  const std::shared_ptr<FetchStreams> streams_;
  const std::shared_ptr<SharedMemory> memory_;
  const std::shared_ptr<CallbackThread> callbacks_ = std::make_shared<CallbackThread>();
  const absl::Duration timeout_;
};

}  // namespace

Ticket::Ticket(std::shared_ptr<FetchCall> call) : call_(std::move(call)) {}

Ticket::Ticket(Ticket&&) noexcept = default;

Ticket& Ticket::operator=(Ticket&& other) noexcept {
  if (this != &other) {
    Release();
    call_ = std::move(other.call_);
  }
  return *this;
}

Ticket::~Ticket() { Release(); }

absl::Status Ticket::Wait() { return call_->Wait(); }

bool Ticket::done() const { return call_->done(); }

std::optional<absl::Status> Ticket::TryWait() {
  return done() ? std::make_optional(Wait()) : std::nullopt;
}

void Ticket::Cancel() { call_->Cancel(); }

void Ticket::Release() {
  if (call_ != nullptr) {
    call_->Close();
    call_.reset();
  }
}

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(const ClientOptions& options) {
  auto channels = ChannelSet::Create(options);
  if (!channels.ok()) {
    return channels.status();
  }
  // No table is called "", so that NOT_FOUND says that the daemon is there. Once over each channel.
  const absl::Time deadline = absl::Now() + options.connect_timeout;
  for (size_t i = 0; i < (*channels)->size(); ++i) {
    const auto answer = CallOpenTable(*channels, v1::OpenTableRequest(), deadline);
    if (absl::IsUnavailable(answer.status())) {
      return answer.status();
    }
    if (!absl::IsNotFound(answer.status())) {
      return absl::InternalError(absl::StrCat("who answers at ", options.address,
                                              " is no engramd: ", answer.status().message()));
    }
  }
  auto memory = std::make_shared<SharedMemory>(options);
  memory->AwaitLink(std::min(deadline, absl::Now() + kAttachTimeout));
  return std::make_unique<ClientImpl>(*std::move(channels), std::move(memory),
                                      options.connect_timeout);
}

}  // namespace engram
