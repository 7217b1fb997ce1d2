#include "client/ctl/replay_output.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "client/ctl/table_names.h"
#include "client/ctl/text_table.h"
#include "client/ctl/units.h"

namespace engram::ctl {
namespace {

using TierCounts = ReplayResult::TierCounts;

constexpr Tier kTiers[] = {Tier::kRam, Tier::kWarm, Tier::kCold};
constexpr double kPercentiles[] = {50, 90, 99, 99.9};

uint64_t Sum(const TierCounts& counts) {
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

TierCounts AllOrders(const ReplayResult& result) {
  TierCounts all{};
  for (const TierCounts& counts : result.groups) {
    std::transform(all.begin(), all.end(), counts.begin(), all.begin(), std::plus<>());
  }
  return all;
}

double PerToken(uint64_t count, const ReplayResult& result) {
  return static_cast<double>(count) / static_cast<double>(std::max<uint64_t>(1, result.tokens));
}

// In microseconds: the smallest latency that `percent` of the chunks do not exceed.
double Percentile(const ReplayResult& result, double percent) {
  const auto& latencies = result.chunk_latencies;
  if (latencies.empty()) return 0;
  const double rank = percent / 100 * static_cast<double>(latencies.size());
  const auto index = static_cast<size_t>(std::max(0.0, std::ceil(rank) - 1));
  return absl::ToDoubleMicroseconds(latencies[std::min(index, latencies.size() - 1)]);
}

std::string PercentileName(double percent) { return absl::StrCat("p", percent); }

// One line an order, one column a tier that any group came from.
void PrintTiers(const ReplayResult& result, std::ostream& out) {
  const TierCounts all = AllOrders(result);
  std::vector<Tier> tiers;
  for (const Tier tier : kTiers) {
    if (tier != Tier::kWarm || all[static_cast<size_t>(tier)] > 0) tiers.push_back(tier);
  }
  std::vector<TextTable::Column> columns = {{"SERVED FROM"}};
  for (const Tier tier : tiers) columns.push_back({TierName(static_cast<int>(tier)), true});
  columns.push_back({"GROUPS", true});
  TextTable text(columns);
  const auto add_row = [&](const std::string& name, const TierCounts& counts) {
    std::vector<std::string> cells = {name};
    for (const Tier tier : tiers) {
      cells.push_back(FormatShare(counts[static_cast<size_t>(tier)], Sum(counts)));
    }
    cells.push_back(FormatCount(Sum(counts)));
    text.AddRow(std::move(cells));
  };
  for (size_t i = 0; i < result.groups.size(); ++i) {
    add_row(absl::StrCat(i + 2, "-grams"), result.groups[i]);
  }
  add_row("all", all);
  text.Print(out, "  ");
}

Json ToJson(const TierCounts& counts) {
  Json json;
  for (const Tier tier : kTiers) {
    json[TierName(static_cast<int>(tier))] = counts[static_cast<size_t>(tier)];
  }
  return json;
}

}  // namespace

void PrintReport(const ReplayReport& report, std::ostream& out) {
  const ReplayResult& result = report.result;
  const double seconds = absl::ToDoubleSeconds(result.duration);
  const auto rate = [&](uint64_t count) {
    return FormatCount(static_cast<uint64_t>(static_cast<double>(count) / seconds));
  };
  out << "replayed " << FormatCount(result.tokens) << " tokens through " << report.layers
      << (report.layers == 1 ? " layer of " : " layers of ") << report.prefix << " in "
      << FormatSeconds(seconds) << "; "
      << (report.options.check ? "every byte of every row is right"
                               : "the rows' bytes were not checked")
      << "\n  throughput: " << rate(result.tokens) << " tokens/s, " << rate(result.rows)
      << " rows/s, " << FormatRate(static_cast<double>(result.bytes) / seconds)
      << (report.shared_memory ? " by shared memory" : " by gRPC") << "\n  latency of a chunk: ";
  for (const double percent : kPercentiles) {
    out << PercentileName(percent) << " " << FormatLatency(Percentile(result, percent)) << ", ";
  }
  out << "max " << FormatLatency(Percentile(result, 100)) << " ("
      << FormatCount(report.options.chunk_tokens) << " tokens, all layers; "
      << report.options.in_flight << " in flight)\n"
      << "  reads from disk: "
      << absl::StrFormat("%.2f a token, ", PerToken(report.nvme_reads, result))
      << FormatBytes(PerToken(report.nvme_bytes_read, result)) << " a token\n";
  PrintTiers(result, out);
}

Json ToJson(const ReplayReport& report) {
  const ReplayResult& result = report.result;
  const double seconds = absl::ToDoubleSeconds(result.duration);
  const auto rate = [&](uint64_t count) { return static_cast<double>(count) / seconds; };
  Json json = {{"name", report.prefix},
               {"layers", report.layers},
               {"documents", report.documents},
               {"chunk_tokens", report.options.chunk_tokens},
               {"in_flight", report.options.in_flight},
               {"passes", report.options.passes},
               {"checked", report.options.check},
               {"transport", report.shared_memory ? "shared_memory" : "grpc"},
               {"complete", result.complete},
               {"tokens", result.tokens},
               {"rows", result.rows},
               {"bytes", result.bytes},
               {"seconds", seconds},
               {"tokens_per_second", rate(result.tokens)},
               {"rows_per_second", rate(result.rows)},
               {"bytes_per_second", rate(result.bytes)},
               {"nvme_reads_per_token", PerToken(report.nvme_reads, result)},
               {"nvme_bytes_read_per_token", PerToken(report.nvme_bytes_read, result)}};
  Json& latency = json["chunk_latency"] = {{"count", result.chunk_latencies.size()}};
  for (const double percent : kPercentiles) {
    latency[absl::StrReplaceAll(PercentileName(percent), {{".", ""}}) + "_us"] =
        Percentile(result, percent);
  }
  latency["max_us"] = Percentile(result, 100);
  json["groups"] = ToJson(AllOrders(result));
  for (size_t i = 0; i < result.groups.size(); ++i) {
    json["groups_by_order"][std::to_string(i + 2)] = ToJson(result.groups[i]);
  }
  return json;
}

}  // namespace engram::ctl
