#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/ctl/chunk_source.h"
#include "client/ctl/commands.h"
#include "client/ctl/connection.h"
#include "client/ctl/corpus_groups.h"
#include "client/ctl/exit_code.h"
#include "client/ctl/interrupt.h"
#include "client/ctl/json_output.h"
#include "client/ctl/load_hasher.h"
#include "client/ctl/load_trace.h"
#include "client/ctl/option_checks.h"
#include "client/ctl/progress.h"
#include "client/ctl/table_names.h"
#include "client/ctl/units.h"
#include "client/ctl/warm_up_call.h"
#include "client/hash/trace.h"

namespace engram::ctl {
namespace {

constexpr size_t kChunkTokens = 4096;

struct SeedCommandOptions {
  std::string name;  // of a table, or of all that are NAME/layer<N>
  TraceOptions trace;
  HasherOptions hasher;
  size_t limit_groups = std::numeric_limits<size_t>::max();
};

// A layer of the hasher, and its table.
struct SeedTable {
  size_t layer = 0;
  v1::TableIdentity identity;
};

absl::Status CheckShape(const v1::TableInfo& info, const LayerHash& layer, size_t heads) {
  if (info.spec().rows() == layer.rows && info.spec().group_size() == heads) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat(info.identity().name(), " has ", info.spec().rows(), " rows in groups of ",
                   info.spec().group_size(), ", and the config's layer ", layer.layer_id, " ",
                   layer.rows, " in groups of ", heads, ": they are of different models"));
}

absl::StatusOr<std::vector<SeedTable>> FindTables(Connection& connection, const std::string& name,
                                                  const NgramHasher& hasher) {
  const std::optional<LayerTable> one = ParseLayerTableName(name);
  std::vector<SeedTable> tables;
  for (size_t layer = 0; layer < hasher.layers().size(); ++layer) {
    const LayerHash& hash = hasher.layers()[layer];
    if (one.has_value() && one->layer != hash.layer_id) continue;
    const auto info =
        FindPublished(connection, one.has_value() ? name : LayerTableName(name, hash.layer_id));
    if (!info.ok()) return info.status();
    if (absl::Status status = CheckShape(*info, hash, hasher.heads()); !status.ok()) return status;
    tables.push_back({layer, info->identity()});
  }
  if (!tables.empty()) return tables;
  return absl::InvalidArgumentError(
      absl::StrCat("the config has no Engram layer ", one->layer, ", of ", name));
}

// The groups that the trace uses of one layer.
absl::StatusOr<CorpusGroups> CountGroups(const CommandContext& context, const NgramHasher& hasher,
                                         const TokenTrace& trace, const SeedTable& table) {
  const size_t orders = hasher.max_ngram() - 1;
  CorpusGroups groups(hasher.heads(), orders, trace.tokens.size() * orders);
  ChunkSource chunks(hasher, trace, kChunkTokens, /*passes=*/1);
  NgramBatch batch;
  std::vector<uint32_t> ids;
  const Interrupt interrupt;
  Progress progress(context.console);
  const absl::Time start = absl::Now();
  for (uint64_t done = 0; done < trace.tokens.size(); done += batch.positions()) {
    if (interrupt.requested()) return absl::CancelledError("cancelled before anything was sent");
    if (absl::Status status = chunks.Next(batch); !status.ok()) return status;
    ids.resize(batch.positions() * hasher.ids_per_position());
    if (absl::Status status = hasher.Hash(table.layer, batch, absl::MakeSpan(ids)); !status.ok()) {
      return status;
    }
    for (size_t group = 0; group < batch.positions() * orders; ++group) {
      groups.Use(absl::MakeConstSpan(ids).subspan(group * hasher.heads(), hasher.heads()),
                 group % orders);
    }
    const double rate = static_cast<double>(done) / absl::ToDoubleSeconds(absl::Now() - start);
    progress.Update({.label = absl::StrCat("count ", table.identity.name()),
                     .done = done,
                     .total = trace.tokens.size(),
                     .amount = absl::StrCat(FormatCount(done), " tokens"),
                     .rate = absl::StrCat(FormatCount(static_cast<uint64_t>(rate)), "/s")});
  }
  return groups;
}

absl::StatusOr<v1::WarmUpProgress> Send(const CommandContext& context, Connection& connection,
                                        const SeedTable& table, const CorpusGroups& groups,
                                        size_t count, size_t group_size) {
  const std::vector<uint32_t> order = groups.ByWorth();
  const auto add = [&](size_t index, v1::WarmUpRequest* request) {
    const absl::Span<const uint32_t> ids = groups.IdsOf(order[index]);
    const CorpusGroups::Past past = groups.PastOf(order[index]);
    request->mutable_row_ids()->Add(ids.begin(), ids.end());
    request->add_uses(past.uses);
    request->add_ages(past.age);
    request->add_gaps(past.gap);
  };
  return WarmUp(context, connection, table.identity,
                {.count = count, .group_size = group_size, .add = add});
}

absl::Status RunSeed(const CommandContext& context, const SeedCommandOptions& options) {
  const absl::StatusOr<NgramHasher> hasher =
      LoadHasher(options.hasher.config, options.hasher.token_map);
  if (!hasher.ok()) return hasher.status();
  const absl::StatusOr<TokenTrace> trace = LoadTrace(options.trace);
  if (!trace.ok()) return trace.status();
  Connection connection(context.address);
  const auto tables = FindTables(connection, options.name, *hasher);
  if (!tables.ok()) return tables.status();
  Json json = Json::array();
  size_t seeded = 0;
  absl::Status skipped;
  for (const SeedTable& table : *tables) {
    const auto groups = CountGroups(context, *hasher, *trace, table);
    if (!groups.ok()) return groups.status();
    const size_t count = std::min(groups->size(), options.limit_groups);
    const auto last = Send(context, connection, table, *groups, count, hasher->heads());
    if (absl::IsFailedPrecondition(last.status()) && tables->size() > 1) {
      // Held whole, for instance. The others may have need of it.
      context.console.err << "not seeded: " << last.status().message() << "\n";
      skipped = last.status();
      continue;
    }
    if (!last.ok()) return last.status();
    ++seeded;
    if (context.json) {
      json.push_back(ToJson(*last, count));
    } else {
      PrintWarmUp(*last, count, context.console.out);
    }
  }
  if (context.json) PrintJson(json, context.console.out);
  return seeded > 0 ? absl::OkStatus() : skipped;
}

}  // namespace

void AddSeedCommand(CommandLine& line) {
  const auto options = std::make_shared<SeedCommandOptions>();
  CLI::App* const app = line.AddCommand(
      {.name = "seed",
       .summary = "Fill RAM, and the warm tier, with what a text's n-grams need, most worthy first",
       .example = "engramctl seed deepseek-v4.1-flash --trace corpus.u32.zst --config config.json "
                  "--token-map token_map.u32.zst"},
      [options](const CommandContext& context) { return RunSeed(context, *options); });
  app->add_option("NAME", options->name, "A table, or NAME of all the tables NAME/layer<N>")
      ->required();
  app->add_option("--trace", options->trace.path,
                  "Token ids as 32-bit numbers: a .u32 or .u32.zst file")
      ->type_name("FILE")
      ->required();
  AddTraceOptions(*app, options->trace);
  AddHasherOptions(*app, options->hasher);
  app->add_option(
         "--limit-groups", options->limit_groups,
         "Send so many n-grams of each table at most; default: as many as there is room for")
      ->check(AboveZero())
      ->type_name("N");
}

}  // namespace engram::ctl
