// What a division of the RAM budget would bring, as plain values.
#ifndef ENGRAM_STORAGE_REBALANCE_PLAN_H_
#define ENGRAM_STORAGE_REBALANCE_PLAN_H_

#include <cstdint>
#include <vector>

#include "storage/store_stats.h"
#include "storage/table_spec.h"

namespace engram::storage {

// What a table's share is decided by. The numbers are those of engram.v1.ShareBasis.
enum class ShareBasis : uint8_t {
  kSaving = 1,  // what RAM saves
  kFixed = 2,   // its fixed part of the budget
  kSize = 3,    // its size: of its traffic too little is known
};

// Predicted, for RAM of some size.
struct ShareOutcome {
  uint64_t bytes = 0;
  double hit_ratio = 0;        // of groups
  double reads_per_fetch = 0;  // from NVMe
  double stall_us = 0;         // of a fetch, beyond its table's window
};

struct TableShare {
  TableIdentity identity;
  ShareBasis basis = ShareBasis::kSize;
  double window_us = 0;
  uint64_t sampled_uses =
      0;                   // that the predictions rest on; below kLeastSampledUses there are none
  TableTraffic traffic{};  // of the latest minutes
  ShareOutcome now{};      // with the RAM that it holds
  ShareOutcome planned{};  // with what it would hold
};

// Hit ratios that rest on fewer simulated uses are guesses.
inline constexpr uint64_t kLeastSampledUses = 10'000;

struct RebalancePlan {
  std::vector<TableShare> tables{};  // those whose caches hold anything
  uint64_t budget_bytes = 0;         // of all RAM tiers
  uint64_t bytes_to_move = 0;        // that tables hold beyond what they would hold
  // Whether another division than the one that tables are entitled to saves enough to be worth it.
  // If not, what is to move is what they do not hold yet of that.
  bool worthwhile = false;
};

// How far a rebalancing is.
struct RebalanceState {
  uint64_t bytes_moved = 0;
  uint64_t bytes_total = 0;  // to be moved
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_REBALANCE_PLAN_H_
