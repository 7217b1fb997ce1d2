// Which table should have how much RAM, by what is known of their traffic.
#ifndef ENGRAM_STORAGE_RAM_RAM_DIVISION_H_
#define ENGRAM_STORAGE_RAM_RAM_DIVISION_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "storage/ram/ram_shares.h"
#include "storage/rebalance_plan.h"
#include "storage/store_stats.h"
#include "storage/table_spec.h"

namespace engram::storage {

// A table that has a cache, as of one moment.
struct BalancedTable {
  TableIdentity identity;
  uint64_t table_bytes = 0;
  double window_us = 0;
  TableTraffic traffic{};
  UsageStats usage{};
  RamShare* share = nullptr;  // its cache's
};

struct RamDivision {
  RebalancePlan plan;
  std::vector<RamShares::Target> targets;  // of plan.tables
};

// Divides what the caches of these tables hold, and what is free, so that stall and reads are least
// (PlanShares); each table's hit ratio at other sizes is what its usage predicts. Tables whose
// cache never wanted memory are left out.
//   FAILED_PRECONDITION  of no table enough is known; says what is lacking
absl::StatusOr<RamDivision> PlanDivision(const RamShares& shares,
                                         absl::Span<const BalancedTable> tables);

// Brings the shares a small step closer to the best division, if that is worth it. Returns the
// bytes by which they changed. Caches follow as their traffic asks for memory.
uint64_t StepDivision(RamShares* shares, absl::Span<const BalancedTable> tables);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_RAM_RAM_DIVISION_H_
