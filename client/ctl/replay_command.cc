#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/ctl/commands.h"
#include "client/ctl/connect_client.h"
#include "client/ctl/connection.h"
#include "client/ctl/interrupt.h"
#include "client/ctl/load_hasher.h"
#include "client/ctl/load_trace.h"
#include "client/ctl/option_checks.h"
#include "client/ctl/progress.h"
#include "client/ctl/replay.h"
#include "client/ctl/replay_output.h"
#include "client/ctl/replay_tables.h"
#include "client/ctl/table_names.h"
#include "client/ctl/units.h"
#include "client/hash/trace.h"

namespace engram::ctl {
namespace {

struct ReplayCommandOptions {
  TraceOptions trace;
  HasherOptions hasher;
  std::string prefix;
  bool no_check = false;
  bool no_shared_memory = false;
  ReplayOptions replay;
};

// What the tiers on NVMe of the replayed tables have read so far.
struct NvmeReads {
  uint64_t reads = 0;
  uint64_t bytes = 0;
};

absl::StatusOr<NvmeReads> CountNvmeReads(Connection& connection,
                                         const std::vector<ReplayTable>& tables) {
  const auto stats = connection.Call(&Connection::Stub::GetStats, v1::GetStatsRequest());
  if (!stats.ok()) return stats.status();
  NvmeReads sum;
  for (const v1::TableStats& table : stats->tables()) {
    const bool replayed = std::any_of(tables.begin(), tables.end(), [&](const ReplayTable& other) {
      return other.table->name() == table.identity().name() &&
             other.table->version() == table.identity().version();
    });
    for (const v1::TierStats& tier : table.tiers()) {
      if (!replayed || tier.tier() == v1::TIER_RAM) continue;
      sum.reads += tier.reads();
      sum.bytes += tier.bytes_read();
    }
  }
  return sum;
}

absl::StatusOr<ReplayResult> ReplayWithProgress(const CommandContext& context,
                                                const NgramHasher& hasher, const TokenTrace& trace,
                                                const std::vector<ReplayTable>& tables,
                                                const ReplayOptions& options) {
  const Interrupt interrupt;
  Progress progress(context.console);
  const uint64_t total = trace.tokens.size() * options.passes;
  const absl::Time start = absl::Now();
  return Replay(hasher, trace, tables, options, [&](uint64_t done) {
    const double rate = static_cast<double>(done) / absl::ToDoubleSeconds(absl::Now() - start);
    progress.Update(
        {.label = "replay",
         .done = done,
         .total = total,
         .amount = absl::StrCat(FormatCount(done), " of ", FormatCount(total), " tokens"),
         .rate = absl::StrCat(FormatCount(static_cast<uint64_t>(rate)), "/s")});
    return !interrupt.requested();
  });
}

absl::Status RunReplay(const CommandContext& context, const ReplayCommandOptions& options) {
  const absl::StatusOr<NgramHasher> hasher =
      LoadHasher(options.hasher.config, options.hasher.token_map);
  if (!hasher.ok()) return hasher.status();
  const absl::StatusOr<TokenTrace> trace = LoadTrace(options.trace);
  if (!trace.ok()) return trace.status();

  Connection connection(context.address);
  ReplayReport report{.prefix = options.prefix,
                      .layers = hasher->layers().size(),
                      .documents = trace->documents(),
                      .options = options.replay};
  if (report.prefix.empty()) {
    const auto listed = connection.Call(&Connection::Stub::ListTables, v1::ListTablesRequest());
    if (!listed.ok()) return listed.status();
    absl::StatusOr<std::string> prefix = FindPrefix(*listed, *hasher);
    if (!prefix.ok()) return prefix.status();
    report.prefix = *std::move(prefix);
  }
  const auto client = ConnectClient(context.address, !options.no_shared_memory);
  if (!client.ok()) return client.status();
  report.shared_memory = (*client)->shared_memory().ok();
  const auto tables = OpenReplayTables(**client, report.prefix, *hasher, options.replay.check);
  if (!tables.ok()) return tables.status();

  const absl::StatusOr<NvmeReads> before = CountNvmeReads(connection, *tables);
  if (!before.ok()) return before.status();
  absl::StatusOr<ReplayResult> result =
      ReplayWithProgress(context, *hasher, *trace, *tables, options.replay);
  if (!result.ok()) return result.status();
  const absl::StatusOr<NvmeReads> after = CountNvmeReads(connection, *tables);
  if (!after.ok()) return after.status();

  report.result = *std::move(result);
  report.nvme_reads = after->reads - before->reads;
  report.nvme_bytes_read = after->bytes - before->bytes;
  if (context.json) {
    PrintJson(ToJson(report), context.console.out);
  } else {
    PrintReport(report, context.console.out);
  }
  if (report.result.complete) return absl::OkStatus();
  return absl::CancelledError("replay cancelled before its end");
}

}  // namespace

void AddReplayCommand(CommandLine& line) {
  const auto options = std::make_shared<ReplayCommandOptions>();
  CLI::App* const app = line.AddCommand(
      {.name = "replay",
       .summary = "Fetch what a text's tokens need from all layers, check every byte, measure",
       .example = "engramctl replay prose.u32.zst --docs prose.docs.txt --config "
                  "/tmp/v41/config.json --token-map token_map.u32.zst"},
      [options](const CommandContext& context) {
        options->replay.check = !options->no_check;
        return RunReplay(context, *options);
      });
  app->add_option("TRACE", options->trace.path,
                  "Token ids as 32-bit numbers: a .u32 or .u32.zst file")
      ->required();
  AddHasherOptions(*app, options->hasher);
  app->add_option("--name", options->prefix,
                  "The tables are NAME/layer<N>; may be left out if only one model is there")
      ->type_name("NAME");
  AddTraceOptions(*app, options->trace);
  ReplayOptions& replay = options->replay;
  app->add_option("--chunk", replay.chunk_tokens, "Tokens of one fetch")
      ->check(CLI::Range(1, 1 << 20).description(""))
      ->type_name("TOKENS")
      ->capture_default_str();
  app->add_option("--in-flight", replay.in_flight, "Chunks fetched at a time")
      ->check(CLI::Range(1, 256).description(""))
      ->type_name("N")
      ->capture_default_str();
  app->add_flag("--no-shared-memory", options->no_shared_memory,
                "Fetch by gRPC where memory could be shared with the daemon");
  app->add_option("--passes", replay.passes, "How often to go through the trace")
      ->check(AboveZero())
      ->type_name("N")
      ->capture_default_str();
  app->add_option("--tokens-per-s", replay.tokens_per_second,
                  "Fetch no faster than this; default: as fast as the rows come")
      ->check(AboveZero())
      ->type_name("N");
  app->add_flag("--no-check", options->no_check,
                "Take any bytes: for tables whose rows do not describe themselves");
}

}  // namespace engram::ctl
