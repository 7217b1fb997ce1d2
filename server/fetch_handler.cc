#include "server/fetch_handler.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/slice.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/fetch_wire.h"
#include "server/status_conversion.h"

namespace engram::server {
namespace {

// The rows of one answer. gRPC owns it once it is sent, and destroys it when the last byte is out.
struct AnswerBlock {
  InFlightLimit::Grant grant;
  std::unique_ptr<std::byte[]> rows;
  size_t size = 0;
};

grpc::Slice ToSlice(std::unique_ptr<AnswerBlock> block) {
  AnswerBlock* const raw = block.release();
  return {raw->rows.get(), raw->size, [](void* b) { delete static_cast<AnswerBlock*>(b); }, raw};
}

}  // namespace

struct FetchHandler::Pending {
  v1::FetchRequest request;
  storage::TableRef table;
  std::unique_ptr<AnswerBlock> block = std::make_unique<AnswerBlock>();
  std::string tiers;
  std::shared_ptr<storage::CancelFlag> cancelled;

  absl::Span<const storage::RowId> row_ids() const {
    return {request.row_ids().data(), static_cast<size_t>(request.row_ids_size())};
  }
};

absl::StatusOr<FetchHandler::Admitted> FetchHandler::Admit(absl::string_view name, uint64_t version,
                                                           absl::string_view digest, size_t ids) {
  if (draining()) {
    return StoppingError();
  }
  if (version == 0) {
    return absl::InvalidArgumentError(absl::StrCat("the fetch names no version of table \"", name,
                                                   "\": copy the identity that OpenTable "
                                                   "returned"));
  }
  auto table = store_->Resolve(name, version, digest);
  if (!table.ok()) {
    return table.status();
  }
  const storage::TableSpec& spec = (*table)->spec();
  if (ids > MaxRows(spec)) {
    return absl::ResourceExhaustedError(
        absl::StrCat(ids, " row ids in one fetch are over the limit of ", MaxRows(spec),
                     " for rows of ", spec.row_bytes, " bytes: split the fetch"));
  }
  auto grant = in_flight_->Acquire(ids, ids * (spec.row_bytes + kFetchOverheadPerRow));
  if (!grant.ok()) {
    return grant.status();
  }
  return Admitted{.table = *std::move(table), .grant = *std::move(grant)};
}

absl::Status FetchHandler::Prepare(Pending* pending) {
  const v1::TableIdentity& identity = pending->request.table();
  const auto ids = pending->row_ids();
  auto admitted = Admit(identity.name(), identity.version(), identity.digest(), ids.size());
  if (!admitted.ok()) {
    return admitted.status();
  }
  const storage::TableSpec& spec = admitted->table->spec();
  pending->block->size = ids.size() * spec.row_bytes;
  pending->block->rows = std::make_unique_for_overwrite<std::byte[]>(pending->block->size);
  pending->block->grant = std::move(admitted->grant);
  if (pending->request.report_tiers() || pending->request.partial()) {
    pending->tiers.resize(ids.size() / spec.group_size);
  }
  pending->table = std::move(admitted->table);
  return absl::OkStatus();
}

void FetchHandler::StartPrefetch(const v1::FetchRequest& request, Reply reply) {
  const v1::TableIdentity& identity = request.table();
  const absl::Span<const storage::RowId> ids(request.row_ids().data(),
                                             static_cast<size_t>(request.row_ids_size()));
  const auto hint = Admit(identity.name(), identity.version(), identity.digest(), ids.size());
  absl::Status status = hint.ok() ? Prefetch(*hint, ids) : hint.status();
  if (!status.ok()) {
    std::move(reply)(std::move(status));
    return;
  }
  v1::FetchResponse response;
  response.set_ticket(request.ticket());
  const grpc::Slice slice(response.SerializeAsString());
  std::move(reply)(grpc::ByteBuffer(&slice, 1));
}

void FetchHandler::Start(v1::FetchRequest request, absl::Time deadline,
                         std::shared_ptr<storage::CancelFlag> cancelled, Reply reply) {
  if (request.prefetch()) {
    StartPrefetch(request, std::move(reply));
    return;
  }
  auto pending = std::make_unique<Pending>();
  pending->request = std::move(request);
  pending->cancelled = std::move(cancelled);
  if (absl::Status status = Prepare(pending.get()); !status.ok()) {
    std::move(reply)(std::move(status));
    return;
  }
  const Pending& fetch = *pending;
  const storage::FetchOptions options{
      .table = fetch.table,
      .row_ids = fetch.row_ids(),
      .rows = {fetch.block->rows.get(), fetch.block->size},
      .tiers = {reinterpret_cast<storage::Tier*>(pending->tiers.data()), fetch.tiers.size()},
      .needed_at = NeededAt(fetch.request.needed_us()),
      .deadline = std::min(deadline, FromNow(fetch.request.deadline_us())),
      .cancelled = fetch.cancelled.get(),
      .partial = fetch.request.partial(),
      .bulk = fetch.request.bulk()};
  Fetch(options, [pending = std::move(pending),
                  reply = std::move(reply)](absl::Status status) mutable {
    if (!status.ok()) {
      pending.reset();
      std::move(reply)(std::move(status));
      return;
    }
    v1::FetchResponse head;
    head.set_ticket(pending->request.ticket());
    head.set_tiers(std::move(pending->tiers));
    grpc::ByteBuffer answer = wire::EncodeFetchResponse(head, ToSlice(std::move(pending->block)));
    pending.reset();
    std::move(reply)(std::move(answer));
  });
}

absl::Time FromNow(uint64_t microseconds) {
  return microseconds == 0 ? absl::InfiniteFuture()
                           : absl::Now() + absl::Microseconds(static_cast<double>(microseconds));
}

absl::Time NeededAt(uint64_t needed_us) {
  return needed_us == 1 ? absl::Now() : FromNow(needed_us);
}

absl::StatusOr<v1::FetchRequest> ParseFetchRequest(const grpc::ByteBuffer& message) {
  grpc::ByteBuffer copy(message);  // shares the bytes
  grpc::ProtoBufferReader reader(&copy);
  v1::FetchRequest request;
  if (!reader.status().ok() || !request.ParseFromZeroCopyStream(&reader)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the message of ", message.Length(), " bytes is no FetchRequest"));
  }
  return request;
}

}  // namespace engram::server
