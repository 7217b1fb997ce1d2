#include "client/engram_client.h"

#include <array>
#include <limits>
#include <utility>

#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/slice.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/channel_set.h"
#include "client/fetch_request.h"
#include "client/unary_call.h"
#include "engram/v1/engram.pb.h"
#include "proto/fetch_wire.h"

namespace engram {
namespace {

constexpr char kOpenTable[] = "/engram.v1.Engram/OpenTable";
constexpr char kFetch[] = "/engram.v1.Engram/Fetch";

constexpr size_t kDigestBytes = 16;
constexpr uint32_t kMaxMessageBytes = std::numeric_limits<int32_t>::max();  // protobuf's own limit

TableSpec FromProto(const v1::TableSpec& spec) {
  return {.rows = spec.rows(),
          .row_bytes = spec.row_bytes(),
          .value_format = static_cast<ValueFormat>(spec.value_format()),
          .values_per_row = spec.values_per_row(),
          .scale_block = spec.scale_block(),
          .scalar_scale = spec.scalar_scale(),
          .group_size = spec.group_size(),
          .orders = {spec.orders().begin(), spec.orders().end()}};
}

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

class TableImpl final : public Table {
 public:
  TableImpl(std::shared_ptr<ChannelSet> channels, const v1::OpenTableResponse& opened)
      : channels_(std::move(channels)),
        identity_(opened.identity()),
        spec_(FromProto(opened.spec())),
        max_fetch_rows_(opened.max_fetch_rows()) {
    for (const bool report_tiers : {false, true}) {
      v1::FetchRequest head;
      *head.mutable_table() = identity_;
      head.set_report_tiers(report_tiers);
      heads_[report_tiers ? 1 : 0] = head.SerializeAsString();
    }
  }

  const std::string& name() const override { return identity_.name(); }
  uint64_t version() const override { return identity_.version(); }
  const std::string& digest() const override { return identity_.digest(); }
  const TableSpec& spec() const override { return spec_; }
  uint64_t max_fetch_rows() const override { return max_fetch_rows_; }

  Ticket Submit(absl::Span<const uint32_t> row_ids, absl::Span<std::byte> rows,
                const FetchOptions& options) override {
    const absl::Span<Tier> tiers = options.tiers;
    if (absl::Status status = ValidateFetch(*this, row_ids, rows, tiers); !status.ok()) {
      return Ticket(UnaryCall::Refused(std::move(status)));
    }
    const auto receive = [rows, tiers](grpc::ByteBuffer* answer) {
      v1::FetchResponse head;
      const absl::Span<std::byte> tier_bytes(reinterpret_cast<std::byte*>(tiers.data()),
                                             tiers.size());
      absl::Status status = wire::DecodeFetchResponse(answer, rows, tier_bytes, &head);
      if (status.ok() && head.has_error()) {
        status = absl::InternalError(
            absl::StrCat("the answer is a stream's error: ", head.error().ShortDebugString()));
      }
      return status;
    };
    return Ticket(UnaryCall::Start(channels_, kFetch,
                                   EncodeFetchRequest(heads_[tiers.empty() ? 0 : 1], row_ids),
                                   options.deadline, receive));
  }

 private:
  const std::shared_ptr<ChannelSet> channels_;
  const v1::TableIdentity identity_;
  const TableSpec spec_;
  const uint64_t max_fetch_rows_;
  std::array<std::string, 2> heads_;  // of requests without and with report_tiers
};

class ClientImpl final : public Client {
 public:
  ClientImpl(std::shared_ptr<ChannelSet> channels, absl::Duration timeout)
      : channels_(std::move(channels)), timeout_(timeout) {}

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
    return std::make_unique<TableImpl>(channels_, *opened);
  }

 private:
  const std::shared_ptr<ChannelSet> channels_;
  const absl::Duration timeout_;
};

}  // namespace

Ticket::Ticket(std::shared_ptr<UnaryCall> call) : call_(std::move(call)) {}

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
  return std::make_unique<ClientImpl>(*std::move(channels), options.connect_timeout);
}

}  // namespace engram
