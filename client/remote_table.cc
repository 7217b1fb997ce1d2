#include "client/remote_table.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <grpcpp/support/byte_buffer.h>

#include "absl/strings/str_cat.h"
#include "client/callback_call.h"
#include "client/fetch_request.h"
#include "client/shm/shared_call.h"
#include "client/stream_call.h"
#include "client/unary_call.h"
#include "proto/fetch_wire.h"

namespace engram {
namespace {

constexpr char kFetch[] = "/engram.v1.Engram/Fetch";
// Hints that the daemon did not answer yet, as it does at once.
constexpr size_t kMaxHints = 16;

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

std::shared_ptr<FetchCall> NoFallback(absl::Span<const uint32_t> /*row_ids*/) {
  return UnaryCall::Refused(absl::UnavailableError("the hint was lost on its way"));
}

absl::Status Receive(grpc::ByteBuffer* answer, absl::Span<std::byte> rows, absl::Span<Tier> tiers) {
  v1::FetchResponse head;
  const absl::Span<std::byte> tier_bytes(reinterpret_cast<std::byte*>(tiers.data()), tiers.size());
  absl::Status status = wire::DecodeFetchResponse(answer, rows, tier_bytes, &head);
  if (status.ok() && head.has_error()) {
    status = absl::InternalError(
        absl::StrCat("the answer is a stream's error: ", head.error().ShortDebugString()));
  }
  return status;
}

}  // namespace

RemoteTable::RemoteTable(std::shared_ptr<ChannelSet> channels,
                         std::shared_ptr<FetchStreams> streams,
                         std::shared_ptr<SharedMemory> memory,
                         std::shared_ptr<CallbackThread> callbacks,
                         const v1::OpenTableResponse& opened)
    : memory_(std::move(memory)),
      callbacks_(std::move(callbacks)),
      spec_(FromProto(opened.spec())),
      max_fetch_rows_(opened.max_fetch_rows()) {
  const v1::TableIdentity& identity = opened.identity();
  auto fetcher = std::make_shared<GrpcFetcher>();
  fetcher->channels = std::move(channels);
  fetcher->streams = std::move(streams);
  fetcher->max_stream_fetches = opened.max_stream_fetches();
  fetcher->identity = identity;
  for (const bool report_tiers : {false, true}) {
    v1::FetchRequest head;
    *head.mutable_table() = identity;
    head.set_report_tiers(report_tiers);
    fetcher->heads[report_tiers ? 1 : 0] = head.SerializeAsString();
  }
  v1::FetchRequest prefetch_head;
  *prefetch_head.mutable_table() = identity;
  prefetch_head.set_prefetch(true);
  fetcher->prefetch_head = prefetch_head.SerializeAsString();
  fetcher_ = std::move(fetcher);
  call_.version = identity.version();
  call_.name_bytes = static_cast<uint32_t>(std::min(identity.name().size(), shm::kMaxNameBytes));
  std::memcpy(call_.name, identity.name().data(), call_.name_bytes);
  std::memcpy(call_.digest, identity.digest().data(),
              std::min(identity.digest().size(), sizeof(call_.digest)));
}

std::shared_ptr<FetchCall> RemoteTable::GrpcFetcher::Start(absl::Span<const uint32_t> row_ids,
                                                           absl::Span<std::byte> rows,
                                                           const FetchOptions& options) const {
  auto call = StreamCall::Start(
      streams->Next(rows.size()), heads[options.tiers.empty() ? 0 : 1], max_stream_fetches, row_ids,
      rows, options, [self = shared_from_this(), rows, options](absl::Span<const uint32_t> ids) {
        return self->StartUnary(ids, rows, options);
      });
  return call != nullptr ? call : StartUnary(row_ids, rows, options);
}

std::shared_ptr<FetchCall> RemoteTable::GrpcFetcher::StartUnary(absl::Span<const uint32_t> row_ids,
                                                                absl::Span<std::byte> rows,
                                                                const FetchOptions& options) const {
  const absl::Span<Tier> tiers = options.tiers;
  v1::FetchRequest of_this_call;
  SetOptions(options, &of_this_call);
  if (options.partial) of_this_call.set_deadline_us(*MicrosecondsToDeadline(options));
  const std::string head =
      absl::StrCat(heads[tiers.empty() ? 0 : 1], of_this_call.SerializeAsString());
  return UnaryCall::Start(
      channels, kFetch, EncodeFetchRequest(head, row_ids).message, GiveUpAt(options),
      [rows, tiers](grpc::ByteBuffer* answer) { return Receive(answer, rows, tiers); });
}

std::shared_ptr<FetchCall> RemoteTable::GrpcFetcher::StartPrefetch(
    absl::Span<const uint32_t> row_ids) const {
  return StreamCall::Start(streams->Next(0), prefetch_head, max_stream_fetches, row_ids, {}, {},
                           NoFallback);
}

std::shared_ptr<FetchCall> RemoteTable::StartPrefetch(absl::Span<const uint32_t> row_ids) const {
  auto link = memory_->Link();
  if (link == nullptr) return fetcher_->StartPrefetch(row_ids);
  shm::Call call = call_;
  call.flags = shm::kPrefetch;
  return SharedCall::Start(std::move(link), call, row_ids, {}, {}, NoFallback);
}

absl::Status RemoteTable::Prefetch(absl::Span<const uint32_t> row_ids) {
  if (absl::Status status = ValidateIds(*this, row_ids); !status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  while (!hints_.empty() && hints_.front().done()) hints_.pop_front();
  auto call = hints_.size() < kMaxHints ? StartPrefetch(row_ids) : nullptr;
  if (call == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("the hint was not sent: ", hints_.size(), " are not answered yet"));
  }
  hints_.emplace_back(std::move(call));
  return absl::OkStatus();
}

Ticket RemoteTable::Submit(absl::Span<const uint32_t> row_ids, absl::Span<std::byte> rows,
                           const FetchOptions& options) {
  if (options.on_done == nullptr) {
    return Ticket(Start(row_ids, rows, options));
  }
  FetchOptions without = options;
  without.on_done = nullptr;
  return Ticket(CallbackCall::Start(callbacks_, Start(row_ids, rows, without), options));
}

std::shared_ptr<FetchCall> RemoteTable::Start(absl::Span<const uint32_t> row_ids,
                                              absl::Span<std::byte> rows,
                                              const FetchOptions& options) {
  absl::Status status = ValidateFetch(*this, row_ids, rows, options);
  if (status.ok() && memory_->Poisoned(rows)) {
    status = absl::FailedPreconditionError(
        "a daemon that hangs may write to this RowBuffer whenever it goes on: use another one");
  }
  if (!status.ok()) {
    return UnaryCall::Refused(std::move(status));
  }
  if (auto link = memory_->Link(); link != nullptr) {
    auto call =
        SharedCall::Start(std::move(link), call_, row_ids, rows, options,
                          [fetcher = fetcher_, rows, options](absl::Span<const uint32_t> ids) {
                            return fetcher->Start(ids, rows, options);
                          });
    if (call != nullptr) {
      return call;
    }
  }
  return fetcher_->Start(row_ids, rows, options);
}

}  // namespace engram
