#include "client/ctl/stats_output.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/ctl/table_names.h"
#include "client/ctl/text_table.h"
#include "client/ctl/units.h"
#include "client/ctl/usage_output.h"

namespace engram::ctl {
namespace {

std::string Bytes(uint64_t bytes) { return FormatBytes(static_cast<double>(bytes)); }

std::string Latencies(const v1::LatencyStats& latency) {
  if (latency.count() == 0) return "-";
  return absl::StrCat("p50 ", FormatLatency(latency.p50_us()), ", p90 ",
                      FormatLatency(latency.p90_us()), ", p99 ", FormatLatency(latency.p99_us()),
                      ", p99.9 ", FormatLatency(latency.p999_us()), ", max ",
                      FormatLatency(latency.max_us()));
}

void PrintServer(const v1::ServerStats& server, std::ostream& out) {
  out << "engramd " << server.version() << ", up "
      << FormatWholeSeconds(static_cast<uint64_t>(server.uptime_seconds())) << ", reads with "
      << server.read_engine();
  if (!server.read_engine_reason().empty()) out << " (" << server.read_engine_reason() << ")";
  out << "\nRAM tier: " << Bytes(server.ram_used_bytes()) << " of "
      << Bytes(server.ram_budget_bytes()) << " used ("
      << FormatShare(server.ram_used_bytes(), server.ram_budget_bytes()) << ")\n"
      << "warm tier: " << Bytes(server.warm_used_bytes()) << " of "
      << Bytes(server.warm_budget_bytes()) << " of disk used\n"
      << "in flight: " << FormatCount(server.inflight_rows()) << " rows, "
      << Bytes(server.inflight_bytes())
      << "; fetches rejected: " << FormatCount(server.fetches_rejected()) << "\n"
      << "shared memory: " << FormatCount(server.shared_memory_clients()) << " clients, "
      << Bytes(server.shared_memory_bytes()) << "\n";
}

void PrintTiers(const v1::TableStats& table, std::ostream& out) {
  uint64_t hits = 0;
  for (const v1::TierStats& tier : table.tiers()) hits += tier.hits();
  TextTable text({{"TIER"},
                  {"ROWS", true},
                  {"SIZE", true},
                  {"GROUPS SERVED", true},
                  {"SHARE", true},
                  {"READS", true},
                  {"READ", true},
                  {"USED", true},
                  {"ADMITTED", true},
                  {"EVICTED", true},
                  {"REFUSED", true},
                  {"WRITTEN", true}});
  for (const v1::TierStats& tier : table.tiers()) {
    text.AddRow({TierName(tier.tier()), FormatCount(tier.rows()), Bytes(tier.bytes()),
                 FormatCount(tier.hits()), FormatShare(tier.hits(), hits),
                 FormatCount(tier.reads()), Bytes(tier.bytes_read()), Bytes(tier.bytes_used()),
                 FormatCount(tier.admissions()), FormatCount(tier.evictions()),
                 FormatCount(tier.refusals()), Bytes(tier.bytes_written())});
  }
  text.Print(out, "  ");
  for (const v1::TierStats& tier : table.tiers()) {
    if (tier.pinned() > 0) out << "  pinned in RAM: " << FormatCount(tier.pinned()) << " groups\n";
    if (tier.read_latency().count() == 0) continue;
    out << "  " << TierName(tier.tier()) << " read latency: " << Latencies(tier.read_latency())
        << "\n";
  }
}

void PrintPlacement(const v1::TablePlacement& placement, std::ostream& out) {
  out << "  RAM share: " << Bytes(placement.entitled_bytes());
  if (placement.has_fixed_share()) {
    out << absl::StrFormat(", fixed at %g %% of the budget", 100 * placement.fixed_share());
  }
  out << "; rows are needed "
      << (placement.window_us() > 0 ? FormatLatency(placement.window_us()) : "at once")
      << (placement.window_us() > 0 ? " after a fetch\n" : "\n");
  if (placement.disk_fetches() == 0) return;
  out << absl::StrFormat("  fetches that needed NVMe: %s, beyond the window by %s in all\n",
                         FormatCount(placement.disk_fetches()),
                         FormatLatency(placement.stall_us()));
  if (placement.fetches_per_second() <= 0) return;
  out << absl::StrFormat(
      "  lately: %.4g fetches/s of %.4g groups, %.1f %% of them needed NVMe, each %s beyond the "
      "window; %.2f reads a group missed\n",
      placement.fetches_per_second(), placement.groups_per_fetch(), 100 * placement.disk_share(),
      FormatLatency(placement.late_us()), placement.reads_per_miss());
}

// Nothing where nobody said when rows are needed, or gave up waiting for them.
void PrintTimeliness(const v1::TableStats& table, std::ostream& out) {
  if (table.fetches_on_time() + table.fetches_late() > 0) {
    out << "  fetches in time: " << FormatCount(table.fetches_on_time())
        << ", late: " << FormatCount(table.fetches_late()) << "\n";
  }
  if (table.wasted_reads() > 0) {
    out << "  reads wasted on fetches that were given up: " << FormatCount(table.wasted_reads())
        << "\n";
  }
  if (table.partial_answers() > 0) {
    out << "  partial answers: " << FormatCount(table.partial_answers())
        << ", groups absent: " << FormatCount(table.absent_groups()) << "\n";
  }
  const v1::PrefetchStats& prefetch = table.prefetch();
  if (prefetch.accepted() + prefetch.dropped() > 0) {
    out << "  groups prefetched: " << FormatCount(prefetch.accepted())
        << ", used: " << FormatCount(prefetch.used())
        << ", wasted: " << FormatCount(prefetch.wasted())
        << ", dropped: " << FormatCount(prefetch.dropped()) << "\n";
  }
}

void PrintTable(const v1::TableStats& table, std::ostream& out) {
  const v1::TableSpec& spec = table.spec();
  out << "\n"
      << Describe(table.identity()) << (table.published() ? ", published" : ", not published")
      << ": " << FormatCount(spec.rows()) << " rows of " << spec.row_bytes() << " B, "
      << Bytes(spec.rows() * spec.row_bytes()) << "\n"
      << "  fetches: " << FormatCount(table.fetches())
      << ", failed: " << FormatCount(table.fetch_errors())
      << ", groups: " << FormatCount(table.groups()) << "\n"
      << "  fetch latency: " << Latencies(table.fetch_latency()) << "\n";
  PrintTimeliness(table, out);
  if (table.has_placement()) PrintPlacement(table.placement(), out);
  if (table.loading_groups_left() > 0) {
    out << "  loading what RAM held before the start: " << FormatCount(table.loading_groups_left())
        << " groups left\n";
  }
  PrintTiers(table, out);
  PrintUsage(table.usage(), out);
}

}  // namespace

void PrintStats(const v1::GetStatsResponse& stats, std::ostream& out) {
  PrintServer(stats.server(), out);
  for (const v1::TableStats& table : stats.tables()) PrintTable(table, out);
}

}  // namespace engram::ctl
