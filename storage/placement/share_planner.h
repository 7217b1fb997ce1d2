// How much of the RAM budget each table should have.
#ifndef ENGRAM_STORAGE_PLACEMENT_SHARE_PLANNER_H_
#define ENGRAM_STORAGE_PLACEMENT_SHARE_PLANNER_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/types/span.h"

namespace engram::storage {

// A table that takes part in the division of a budget.
struct ShareCandidate {
  // What the table costs in each second, in seconds, with so many bytes: falls as bytes rise. Null:
  // not known, and the share is the one that corresponds to the table's size.
  std::function<double(double bytes)> cost{};
  uint64_t table_bytes = 0;    // its size
  uint64_t least_bytes = 0;    // it cannot do with less
  uint64_t most_bytes = 0;     // more is of no use
  uint64_t current_bytes = 0;  // its share now
};

struct SharePlan {
  std::vector<uint64_t> bytes;  // [candidates]; together at most the budget
  double cost_now = 0;          // of those whose cost is known, with current_bytes
  double cost_planned = 0;      // of the same, with `bytes`
  // Whether the cost falls by enough to be worth a change (kLeastGain).
  bool worthwhile = false;
};

// Of what the cost would fall by if each table had most_bytes: the rest no division changes.
inline constexpr double kLeastGain = 0.02;

// Divides the budget so that the sum of the costs is least: from least_bytes on, the next bytes go
// to the table that saves most for each (Fox, "Discrete optimization via marginal analysis",
// Management Science 1966, which is exact where no cost curve is concave anywhere). Elsewhere it
// follows the lower convex hull of the curve, read at sizes a sixteenth of an octave apart; at most
// one table then ends up between two corners of its hull, with a cost above the hull's.
//
// A cost of nothing that more bytes would lower leaves bytes over: these go to tables by size, up
// to most_bytes. Tables whose cost is not known have their part by size of the budget; those whose
// least_bytes do not fit get as much as there is, in order. Pure and deterministic.
SharePlan PlanShares(absl::Span<const ShareCandidate> candidates, uint64_t budget_bytes);

// The way from one division to another, as far as `most_bytes` of moved memory take it.
//   from, to: [tables];  returns the same, with a sum that is not above both of theirs
std::vector<uint64_t> StepTowards(absl::Span<const uint64_t> from, absl::Span<const uint64_t> to,
                                  uint64_t most_bytes);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_SHARE_PLANNER_H_
