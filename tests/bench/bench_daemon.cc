#include "tests/bench/bench_daemon.h"

#include <algorithm>
#include <cstddef>

#include <grpcpp/grpcpp.h>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engram/v1/engram_admin.grpc.pb.h"
#include "server/listening_socket.h"
#include "storage/tiered_store.h"
#include "tests/bench/bench_table.h"

namespace engram::bench {
namespace {

bool Listens(const std::string& socket) {
  return absl::IsFailedPrecondition(server::CheckUnixSocket(socket));
}

}  // namespace

absl::StatusOr<std::unique_ptr<BenchDaemon>> BenchDaemon::StartWhole(const storage::TableSpec& spec,
                                                                     const ScratchDir& dir) {
  const std::string data_dir = dir.Path("store");
  if (absl::Status status = ImportTable(spec, data_dir); !status.ok()) {
    return status;
  }
  constexpr uint64_t kBesideRows = uint64_t{64} << 20;
  return Start(data_dir,
               {absl::StrCat("--ram-budget=", spec.table_bytes() + kBesideRows), "--ram-whole=*"});
}

absl::Status BenchDaemon::ImportTable(const storage::TableSpec& spec, const std::string& data_dir) {
  auto store = storage::TieredStore::Open({.data_dir = data_dir});
  return store.ok() ? ImportBenchTable(spec, data_dir + ".table", store->get()) : store.status();
}

absl::Status BenchDaemon::ImportCheckpoint(const std::string& checkpoint, const std::string& name,
                                           const std::string& data_dir) {
  auto store = storage::TieredStore::Open({.data_dir = data_dir});
  if (!store.ok()) return store.status();
  storage::ImportOptions options;
  options.path = checkpoint;
  options.name = name;
  return (*store)->Import(options, [](const storage::ImportProgress&) { return true; }).status();
}

absl::StatusOr<uint64_t> BenchDaemon::NvmeReads() const {
  const auto channel =
      grpc::CreateChannel(absl::StrCat("unix:", socket_), grpc::InsecureChannelCredentials());
  grpc::ClientContext context;
  v1::GetStatsResponse stats;
  const grpc::Status status =
      v1::EngramAdmin::NewStub(channel)->GetStats(&context, v1::GetStatsRequest(), &stats);
  if (!status.ok()) return absl::UnavailableError(status.error_message());
  uint64_t reads = 0;
  for (const v1::TableStats& table : stats.tables()) {
    for (const v1::TierStats& tier : table.tiers()) reads += tier.reads();
  }
  return reads;
}

absl::Status BenchDaemon::Rebalance() const {
  const auto channel =
      grpc::CreateChannel(absl::StrCat("unix:", socket_), grpc::InsecureChannelCredentials());
  grpc::ClientContext context;
  const auto reader =
      v1::EngramAdmin::NewStub(channel)->Rebalance(&context, v1::RebalanceRequest());
  for (v1::RebalanceProgress progress; reader->Read(&progress);) {
  }
  const grpc::Status status = reader->Finish();
  // The codes of both are the same.
  return {static_cast<absl::StatusCode>(status.error_code()), status.error_message()};
}

absl::StatusOr<std::unique_ptr<BenchDaemon>> BenchDaemon::Start(
    const std::string& data_dir, absl::Span<const std::string> flags) {
  const std::string socket = data_dir + ".sock";
  std::vector<std::string> command = {kThisProgram, "serve-tables", "--data-dir",
                                      data_dir,     "--socket",     socket};
  command.insert(command.end(), flags.begin(), flags.end());
  const absl::Time start = absl::Now();
  auto process = ChildProcess::Start(std::move(command));
  if (!process.ok()) {
    return process.status();
  }
  auto daemon = absl::WrapUnique(new BenchDaemon(*std::move(process), socket));
  while (!Listens(socket)) {
    if (absl::Now() > start + kStartTimeout) {
      return absl::UnavailableError("the daemon does not start");
    }
    absl::SleepFor(absl::Microseconds(200));
  }
  daemon->start_time_ = absl::Now() - start;
  return daemon;
}

absl::StatusOr<std::unique_ptr<Client>> BenchDaemon::ConnectClient(
    uint64_t shared_memory_bytes) const {
  const absl::Time end = absl::Now() + kStartTimeout;
  while (true) {
    auto client = Client::Connect({.address = absl::StrCat("unix:", socket_),
                                   .connect_timeout = kStartTimeout,
                                   .shared_memory_bytes = shared_memory_bytes});
    if (!client.ok() || shared_memory_bytes == 0 || (*client)->shared_memory().ok()) return client;
    // Where others keep the machine busy, the daemon's answer comes too late for the client.
    if (absl::Now() > end) return (*client)->shared_memory();
  }
}

absl::StatusOr<BenchClient> BenchDaemon::Connect(uint64_t shared_memory_bytes) const {
  BenchClient result;
  auto client = ConnectClient(shared_memory_bytes);
  if (!client.ok()) {
    return client.status();
  }
  result.client = *std::move(client);
  auto table = result.client->OpenTable(kBenchTable);
  if (!table.ok()) {
    return table.status();
  }
  result.table = *std::move(table);
  return result;
}

absl::Status BenchDaemon::AwaitAllInRam(
    const std::vector<std::vector<storage::RowId>>& batches) const {
  const auto client = Connect(/*shared_memory_bytes=*/0);
  if (!client.ok()) {
    return client.status();
  }
  const TableSpec& spec = client->table->spec();
  std::vector<std::byte> rows;
  std::vector<Tier> tiers;
  const absl::Time end = absl::Now() + kStartTimeout;
  for (size_t i = 0; i < batches.size() && absl::Now() < end;) {
    rows.resize(batches[i].size() * spec.row_bytes);
    tiers.resize(batches[i].size() / spec.group_size);
    const absl::Status status =
        client->table->Fetch(batches[i], absl::MakeSpan(rows), {.tiers = absl::MakeSpan(tiers)});
    if (!status.ok()) {
      return status;
    }
    i += std::all_of(tiers.begin(), tiers.end(), [](Tier tier) { return tier == Tier::kRam; });
  }
  return absl::Now() < end ? absl::OkStatus()
                           : absl::InternalError("the daemon does not hold all rows in RAM");
}

}  // namespace engram::bench
