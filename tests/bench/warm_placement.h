// The store's warm tier below its policy, with records of a few bytes in memory.
#ifndef ENGRAM_TESTS_BENCH_WARM_PLACEMENT_H_
#define ENGRAM_TESTS_BENCH_WARM_PLACEMENT_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/placement/eviction_policy.h"
#include "storage/warm/warm_tier.h"
#include "tests/bench/group_trace.h"
#include "tests/bench/policy_cache.h"

namespace engram::bench {

// Where the groups of a trace were found.
struct TierHits {
  uint64_t ram = 0;
  uint64_t warm = 0;
  uint64_t cold = 0;
};

// A RAM tier and a WarmTier as TieredStore puts them together, where groups are looked up one by
// one and writing always keeps up. A segment has as many records as one of a table of 8 rows of 264
// bytes has.
class WarmPlacement {
 public:
  // trace: outlives it;  ram_slots, warm_slots: groups that the tiers have room for, the warm one
  // to within half a segment
  //   INVALID_ARGUMENT  the warm tier has no room for four segments
  static absl::StatusOr<std::unique_ptr<WarmPlacement>> Create(const GroupTrace& trace,
                                                               uint32_t ram_slots,
                                                               uint64_t warm_slots);

  // Looks the trace's groups up, one after the other.
  TierHits Replay(const std::vector<uint32_t>& accesses);

 private:
  WarmPlacement(const GroupTrace& trace, std::unique_ptr<storage::WarmTier> warm,
                uint32_t ram_slots);

  bool ReadWarm(uint32_t group);

  const std::vector<storage::GroupKey> keys_;  // [groups], with the warm tier's hashes
  const std::unique_ptr<storage::WarmTier> warm_;
  PolicyCache ram_;
};

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_WARM_PLACEMENT_H_
