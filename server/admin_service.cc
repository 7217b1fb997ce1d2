#include "server/admin_service.h"

#include <malloc.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/pin.h"
#include "server/proto_conversion.h"
#include "server/status_conversion.h"
#include "server/warm_up.h"
#include "spdlog/spdlog.h"

namespace engram::server {
namespace {

using ImportStream = TaskStream<v1::ImportProgress>;
using RebalanceStream = TaskStream<v1::RebalanceProgress>;
using VerifyStream = TaskStream<v1::VerifyProgress>;

grpc::ServerUnaryReactor* Finish(grpc::CallbackServerContext* context, const absl::Status& status) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

std::string Describe(const storage::TableIdentity& identity) {
  return absl::StrCat(identity.name, " v", identity.version);
}

void LogImported(const storage::TableInfo& info) {
  spdlog::info("imported {} from {}: {} rows of {} bytes, digest {}{}", Describe(info.identity),
               info.source, info.spec.rows, info.spec.row_bytes, info.identity.digest.ToHex(),
               info.published ? "" : ", staged");
}

absl::Status RunImport(storage::TieredStore* store, const storage::ImportOptions& options,
                       const ImportStream::Emit& emit) {
  if (options.path.empty() || options.path.front() != '/') {
    return absl::InvalidArgumentError(
        absl::StrCat("import path \"", options.path,
                     "\" is not absolute: it names a file of the daemon's host"));
  }
  const std::string what = absl::StrCat(absl::Utf8SafeCEscape(options.path), " as \"",
                                        absl::Utf8SafeCEscape(options.name), "\"");
  spdlog::info("import of {} starts", what);
  const absl::Time start = absl::Now();
  const auto imported = store->Import(options, [&](const storage::ImportProgress& progress) {
    v1::ImportProgress message;
    ToProto(progress, &message);
    if (progress.imported.has_value()) {
      LogImported(*progress.imported);
    }
    return emit(std::move(message), /*keep=*/progress.imported.has_value());
  });
  malloc_trim(0);  // an import's buffers are too large to be kept
  if (!imported.ok()) {
    spdlog::warn("import of {} failed: {}", what, imported.status().ToString());
  } else {
    spdlog::info("import of {} took {}", what,
                 absl::FormatDuration(absl::Trunc(absl::Now() - start, absl::Milliseconds(1))));
  }
  return imported.status();
}

absl::Status RunVerify(storage::TieredStore* store, const v1::VerifyRequest& request,
                       const VerifyStream::Emit& emit) {
  const auto table = store->OpenTable(request.name(), request.version());
  if (!table.ok()) {
    return table.status();
  }
  const storage::TableSpec& spec = (*table)->spec();
  const absl::Time start = absl::Now();
  const auto report = [&](uint64_t rows_done, bool done) {
    v1::VerifyProgress message;
    ToProto((*table)->identity(), message.mutable_table());
    message.set_rows_done(rows_done);
    message.set_rows_total(spec.rows);
    message.set_bytes_per_second(static_cast<double>(rows_done * spec.row_bytes) /
                                 absl::ToDoubleSeconds(absl::Now() - start));
    message.set_done(done);
    return emit(std::move(message), /*keep=*/done);
  };
  absl::Status status =
      store->Verify(*table, [&](uint64_t rows_done) { return report(rows_done, false); });
  const std::string name = Describe((*table)->identity());
  if (status.ok()) {
    spdlog::info("verified {}: all {} rows match the digest", name, spec.rows);
    report(spec.rows, true);
  } else if (absl::IsDataLoss(status)) {
    spdlog::error("verification of {} failed: {}", name, std::string(status.message()));
  }
  return status;
}

// A plan, if `plan` is not null, or how far one is.
v1::RebalanceProgress ToMessage(const storage::RebalancePlan* plan,
                                const storage::RebalanceState& state, bool done) {
  v1::RebalanceProgress message;
  if (plan != nullptr) ToProto(*plan, message.mutable_plan());
  message.set_bytes_moved(state.bytes_moved);
  message.set_bytes_total(state.bytes_total);
  message.set_done(done);
  return message;
}

absl::Status RunRebalance(storage::TieredStore* store, bool dry_run,
                          const RebalanceStream::Emit& emit) {
  if (dry_run) {
    const auto plan = store->PlanRebalance();
    if (!plan.ok()) return plan.status();
    emit(ToMessage(&*plan, {.bytes_total = plan->bytes_to_move}, true), /*keep=*/true);
    return absl::OkStatus();
  }
  bool first = true;
  storage::RebalanceState last;
  const absl::Status status = store->Rebalance(
      [&](const storage::RebalancePlan& plan, const storage::RebalanceState& state) {
        last = state;
        const bool keep = std::exchange(first, false);
        return emit(ToMessage(keep ? &plan : nullptr, state, false), keep);
      });
  spdlog::info("rebalancing moved {} of {} bytes of RAM: {}", last.bytes_moved, last.bytes_total,
               status.ToString());
  if (status.ok()) emit(ToMessage(nullptr, last, true), /*keep=*/true);
  return status;
}

}  // namespace

grpc::ServerUnaryReactor* AdminService::ListTables(grpc::CallbackServerContext* context,
                                                   const v1::ListTablesRequest* /*request*/,
                                                   v1::ListTablesResponse* response) {
  for (const storage::TableInfo& info : store_->ListTables()) {
    ToProto(info, response->add_tables());
  }
  return Finish(context, absl::OkStatus());
}

grpc::ServerWriteReactor<v1::ImportProgress>* AdminService::Import(
    grpc::CallbackServerContext* /*context*/, const v1::ImportRequest* request) {
  return new ImportStream(
      &imports_, [store = store_, options = FromProto(*request)](const ImportStream::Emit& emit) {
        return RunImport(store, options, emit);
      });
}

grpc::ServerUnaryReactor* AdminService::RunChange(grpc::CallbackServerContext* context,
                                                  std::function<absl::Status()> change) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const absl::Status status = changes_.Start(
      [reactor, change = std::move(change)] { reactor->Finish(ToGrpcStatus(change())); });
  if (!status.ok()) {
    reactor->Finish(ToGrpcStatus(status));
  }
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::Publish(grpc::CallbackServerContext* context,
                                                const v1::PublishRequest* request,
                                                v1::PublishResponse* response) {
  return RunChange(context, [this, request, response] {
    const auto table = store_->Publish(request->name(), request->version());
    if (table.ok()) {
      spdlog::info("published {}", Describe(table->identity));
      ToProto(*table, response->mutable_table());
    }
    return table.status();
  });
}

grpc::ServerUnaryReactor* AdminService::Drop(grpc::CallbackServerContext* context,
                                             const v1::DropRequest* request,
                                             v1::DropResponse* response) {
  return RunChange(context, [this, request, response] {
    const auto dropped = store_->Drop(request->name(), request->version());
    if (dropped.ok()) {
      for (const storage::TableIdentity& identity : *dropped) {
        spdlog::info("dropped {}", Describe(identity));
        ToProto(identity, response->add_dropped());
      }
    }
    return dropped.status();
  });
}

void AdminService::BeginDrain() {
  for (Tasks* tasks : AllTasks()) tasks->Stop();
}

void AdminService::AwaitTasks() {
  for (Tasks* tasks : AllTasks()) tasks->AwaitAll();
}

grpc::ServerUnaryReactor* AdminService::GetStats(grpc::CallbackServerContext* context,
                                                 const v1::GetStatsRequest* request,
                                                 v1::GetStatsResponse* response) {
  const storage::StoreStats stats = store_->Stats();
  for (const storage::TableStats& table : stats.tables) {
    if (request->name().empty() || request->name() == table.identity.name) {
      ToProto(table, response->add_tables());
    }
  }
  if (!request->name().empty() && response->tables().empty()) {
    return Finish(context,
                  absl::NotFoundError(absl::StrCat("no table named \"", request->name(), "\"")));
  }
  const InFlightLimit::Stats in_flight = in_flight_->stats();
  v1::ServerStats* const server = response->mutable_server();
  server->set_version(ENGRAM_VERSION);
  server->set_uptime_seconds(absl::ToInt64Seconds(absl::Now() - started_));
  server->set_read_engine(stats.read_engine);
  server->set_read_engine_reason(stats.read_engine_reason);
  server->set_ram_budget_bytes(stats.ram_budget_bytes);
  server->set_ram_used_bytes(stats.ram_used_bytes);
  server->set_warm_budget_bytes(stats.warm_budget_bytes);
  server->set_warm_used_bytes(stats.warm_used_bytes);
  server->set_inflight_rows(in_flight.rows);
  server->set_inflight_bytes(in_flight.bytes);
  server->set_fetches_rejected(in_flight.rejected);
  const Attachments::Stats shared = attachments_->stats();
  server->set_shared_memory_clients(shared.attachments);
  server->set_shared_memory_bytes(shared.bytes);
  return Finish(context, absl::OkStatus());
}

grpc::ServerWriteReactor<v1::RebalanceProgress>* AdminService::Rebalance(
    grpc::CallbackServerContext* /*context*/, const v1::RebalanceRequest* request) {
  return new RebalanceStream(&rebalancings_, [store = store_, dry_run = request->dry_run()](
                                                 const RebalanceStream::Emit& emit) {
    return RunRebalance(store, dry_run, emit);
  });
}

grpc::ServerWriteReactor<v1::VerifyProgress>* AdminService::Verify(
    grpc::CallbackServerContext* /*context*/, const v1::VerifyRequest* request) {
  return new VerifyStream(&verifications_,
                          [store = store_, request = *request](const VerifyStream::Emit& emit) {
                            return RunVerify(store, request, emit);
                          });
}

grpc::ServerBidiReactor<v1::WarmUpRequest, v1::WarmUpProgress>* AdminService::WarmUp(
    grpc::CallbackServerContext* /*context*/) {
  return new WarmUpDialog(
      &warm_ups_, [store = store_](WarmUpDialog* dialog) { return RunWarmUp(store, dialog); });
}

grpc::ServerBidiReactor<v1::PinRequest, v1::PinProgress>* AdminService::Pin(
    grpc::CallbackServerContext* /*context*/) {
  return new PinDialog(&pins_,
                       [store = store_](PinDialog* dialog) { return RunPin(store, dialog); });
}

grpc::ServerBidiReactor<v1::PinRequest, v1::PinProgress>* AdminService::Unpin(
    grpc::CallbackServerContext* /*context*/) {
  return new PinDialog(&pins_,
                       [store = store_](PinDialog* dialog) { return RunUnpin(store, dialog); });
}

}  // namespace engram::server
