// Counters of the store, as plain values.
#ifndef ENGRAM_STORAGE_STORE_STATS_H_
#define ENGRAM_STORAGE_STORE_STATS_H_

#include <cstdint>
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

struct TierStats {
  uint64_t rows = 0;        // rows held
  uint64_t bytes = 0;       // what they take, metadata included
  uint64_t hits = 0;        // groups served from this tier
  uint64_t reads = 0;       // reads issued to the device
  uint64_t bytes_read = 0;  // what those read
  uint64_t bytes_used = 0;  // what of it went into answers
  uint64_t bytes_written = 0;
  uint64_t admissions = 0;  // groups brought in
  uint64_t evictions = 0;   // groups evicted
  uint64_t refusals = 0;    // groups not brought in because all held are worth more
  uint64_t skipped = 0;     // groups not brought in because the tier did not keep up
  LatencyStats read_latency{};
};

struct TableStats {
  TableIdentity identity;
  TableSpec spec;
  bool published = false;
  uint64_t fetches = 0;       // answered with rows
  uint64_t fetch_errors = 0;  // answered with an error
  uint64_t groups = 0;
  TierStats ram;
  TierStats warm;  // all 0 without a warm tier
  TierStats cold;
  LatencyStats fetch_latency;  // from Fetch to done
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
