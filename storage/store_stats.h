// Counters of the store, as plain values.
#ifndef ENGRAM_STORAGE_STORE_STATS_H_
#define ENGRAM_STORAGE_STORE_STATS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "storage/table_spec.h"

namespace engram::storage {

// Microseconds; upper bounds of histogram buckets 12.5 % wide.
struct LatencyStats {
  uint64_t count = 0;
  double p50_us = 0;
  double p90_us = 0;
  double p99_us = 0;
  double p999_us = 0;
  double max_us = 0;
};

// What a RAM tier of some size would serve.
struct HitRatioPoint {
  double groups = 0;
  double hit_ratio = 0;
};

// What the uses of one n-gram order's groups are like, estimated from a part of them.
struct OrderUsage {
  uint32_t order = 0;         // n; 0 where the table's spec names none
  double uses = 0;            // observed, of the last two windows: what the following rests on
  double hit_ratio = 0;       // share of these that the RAM tier served
  double distinct = 0;        // different groups in the last two windows
  double distinct_error = 0;  // standard error of it
  // Zipf exponent of popularity. exponent_error is 0, and so is the exponent, while it is not
  // known.
  double exponent = 0;
  double exponent_error = 0;
  // Share of the uses of popular groups that moved to others from one window to the next, and its
  // standard error if nothing moved. drift_coverage, the share of all uses that these groups have,
  // is 0 before two windows are complete.
  double drift = 0;
  double drift_error = 0;
  double drift_coverage = 0;
};

// What the traffic of a table is like. All but `uses` is a minute or so behind.
struct UsageStats {
  uint64_t uses = 0;           // of groups, since the table was opened
  double window_seconds = 0;   // what the estimates of `orders` cover
  double sampling_rate = 0;    // share of the groups whose every use is simulated
  uint64_t sampled_uses = 0;   // simulated so far: what `hit_ratios` rest on
  uint64_t lost_uses = 0;      // not looked at because too many came at once
  double bytes_per_group = 0;  // that a RAM tier takes for each, metadata included
  std::vector<OrderUsage> orders{};
  std::vector<HitRatioPoint> hit_ratios{};  // by size; empty before anything is known
};

// Counters of a table's fetches, since it was opened.
struct TrafficCounters {
  uint64_t fetches = 0;
  uint64_t disk_fetches = 0;  // those that needed more than RAM
  uint64_t groups = 0;
  uint64_t ram_hits = 0;     // groups
  uint64_t reads = 0;        // of the warm tier and the cold one
  double stall_seconds = 0;  // that fetches took beyond the table's window and needed the disk
};

// The same, as rates of the latest minutes.
struct TableTraffic {
  double fetches_per_second = 0;
  double groups_per_fetch = 0;
  double hit_ratio = 0;       // of groups, in RAM
  double disk_share = 0;      // of fetches that needed the disk
  double late_seconds = 0;    // that such a fetch took beyond the table's window: 0 if within, mean
  double reads_per_miss = 0;  // for each group that RAM did not have
};

// What a table's share of RAM is decided by.
struct PlacementStats {
  double window_us = 0;         // within which rows of a fetch come early enough
  double fixed_share = 0;       // of the RAM budget; 0: by what it saves
  uint64_t entitled_bytes = 0;  // of the RAM budget, at the expense of others
  uint64_t disk_fetches = 0;    // since the table was opened, as are
  double stall_us = 0;          // all of them together took so long beyond the window
  TableTraffic traffic{};
  double independent_groups = 0;  // StallModel's g
};

struct TierStats {
  uint64_t rows = 0;        // rows held
  uint64_t bytes = 0;       // what they take, metadata included
  uint64_t hits = 0;        // groups served from this tier, as Tier defines it
  uint64_t reads = 0;       // reads issued to the device
  uint64_t bytes_read = 0;  // what those read
  uint64_t bytes_used = 0;  // what of it went into answers
  uint64_t bytes_written = 0;
  uint64_t admissions = 0;  // groups brought in
  uint64_t evictions = 0;   // groups evicted
  uint64_t refusals = 0;    // groups not brought in because all held are worth more
  uint64_t skipped = 0;     // groups not brought in because the tier did not keep up
  uint64_t pinned = 0;      // groups that stay until they are unpinned; RAM only
  LatencyStats read_latency{};
};

// Groups that were announced, or read on after a partial answer; those that RAM held anyway count
// nowhere.
struct PrefetchStats {
  uint64_t accepted = 0;  // to be read
  uint64_t dropped = 0;   // not read, some after all: too many, too late, or the read failed
  uint64_t used = 0;      // of those that were read: fetched since
  uint64_t wasted = 0;    // let go before they were fetched: for others, or after a while
};

struct TableStats {
  TableIdentity identity;
  TableSpec spec;
  bool published = false;
  uint64_t loading_groups_left = 0;  // of those that RAM held before a restart
  uint64_t fetches = 0;              // answered with rows
  uint64_t fetch_errors = 0;         // answered with an error
  uint64_t fetches_on_time = 0;      // of those answered: when their rows were needed, or before
  uint64_t fetches_late = 0;         // after that, or not, for their deadline passed
  uint64_t wasted_reads = 0;         // for fetches that were cancelled, or whose deadline passed
  uint64_t partial_answers = 0;      // of fetches_late: with what was there
  uint64_t absent_groups = 0;        // that these lacked
  PrefetchStats prefetch{};
  uint64_t groups = 0;
  TierStats ram;
  TierStats warm;  // what it holds now; counters of all the warm tiers that the table has had
  TierStats cold;
  LatencyStats fetch_latency;         // from Fetch to done
  std::optional<UsageStats> usage{};  // of tables with a cache in RAM
  PlacementStats placement{};
};

struct StoreStats {
  std::string read_engine;         // "io_uring" or "pread"
  std::string read_engine_reason;  // why, if it is the fallback
  uint64_t ram_budget_bytes = 0;
  uint64_t ram_used_bytes = 0;
  uint64_t warm_budget_bytes = 0;
  uint64_t warm_used_bytes = 0;
  std::vector<TableStats> tables{};
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_STORE_STATS_H_
