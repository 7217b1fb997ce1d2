// How many lookups of real text the RAM tier's policy serves, against other policies and the best.
#ifndef ENGRAM_TESTS_BENCH_PLACEMENT_BENCH_H_
#define ENGRAM_TESTS_BENCH_PLACEMENT_BENCH_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/bench/group_trace.h"

namespace engram::bench {

struct PlacementBenchOptions {
  GroupTraceOptions trace;
  std::vector<double> cache = {0.1};  // slots, as shares of the trace's distinct groups
  uint32_t scan_groups = 0;           // in the second half of the trace, never repeated; 0: no scan
  double warm = 0;  // groups of the warm tier, as a share of the trace's distinct ones; 0: none
};

// Looks up the trace's groups one by one, in caches that start empty or have lived through the seed
// trace: in one of the store's policy with the options that the RAM tier gives it for rows of 264
// bytes, and in those of cache_models.h and belady.h with as many slots. The object holds
//   tokens, accesses, distinct_groups, layer_id, seeded
// and for each size, in the object itself if there is one, or else in an array `caches`,
//   cache, slots
//   hit_ratio             of the policy; also by n-gram order in the object hit_ratio_by_order
//   lru, s3fifo, w_tinylfu, static_optimal, belady      hit ratios; static_optimal alone is loaded
//                         beforehand, belady with the best groups of the seed trace
//   ratio_to_belady       hit_ratio over belady
//   nvme_reads_per_token  if each row of a group that was missed is read by itself
//   policy_ns_per_group   time in the policy's calls, over all accesses of the trace. The trace
//   runs
//                         by turns, part by part, through the policy and through one that does
//                         nothing but pick the same victims: the difference of the times
//   metadata_bytes_per_slot      of the index and the policy, as GroupCache charges them
// and if there is a scan, the trace's own hit ratios beside it:
//   hit_ratio_with_scan, lru_with_scan, s3fifo_with_scan, w_tinylfu_with_scan
// With a warm tier, `warm_passes` has for each of two passes over the trace through RAM and it
//   hit_ratio, warm_hit_ratio, nvme_reads_per_token
//   ratio_to_cold_alone   those reads over what they are without a warm tier
// Hit ratios are fractions of all accesses, or of an order's.
// Returns what ReadGroupTrace does, and INVALID_ARGUMENT for a size that is no share, or leaves a
// cache fewer than kMinModelSlots slots.
absl::StatusOr<nlohmann::json> RunPlacementBench(const PlacementBenchOptions& options);

// The result for people: several sizes as a table.
std::string PlacementToText(const nlohmann::json& result);

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_PLACEMENT_BENCH_H_
