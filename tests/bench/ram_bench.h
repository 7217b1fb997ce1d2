// Measures the RAM tier against a plain gather from memory.
#ifndef ENGRAM_TESTS_BENCH_RAM_BENCH_H_
#define ENGRAM_TESTS_BENCH_RAM_BENCH_H_

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"

namespace engram::bench {

struct RamBenchOptions {
  uint64_t payload_bytes = uint64_t{2} << 30;  // rows held; three times as much memory is used
  uint32_t row_bytes = 264;
  uint32_t group_size = 8;
  size_t batch_rows = 8192;            // of one lookup
  uint64_t rows_per_run = 2ull << 20;  // that each thread looks up in one run
  int runs = 11;                       // of each variant, interleaved; at least 5
};

// Looks up random groups, all hits, and gathers the same ones from a flat array in huge pages with
// the fastest of several prefetching loops. The object holds the options, and
//   limit_rows_per_s, cache_rows_per_s                 medians, one thread, groups
//   limit_rows_per_s_2, cache_rows_per_s_2             both threads together
//   limit_all_rows_per_s, all_rows_per_s               one thread, single rows at random
//   ratio_to_limit, ratio_to_limit_2, ratio_to_limit_all   medians of the ratios of each round
//   thread_scaling, limit_thread_scaling               likewise: two threads to one
//   limit_loop, limit_loop_all                         the gather loops chosen
//   metadata_ratio                                     the cache's memory beside rows, to rows
// Errors: RESOURCE_EXHAUSTED if memory is short, INTERNAL if a row came back wrong,
// INVALID_ARGUMENT for options out of range.
absl::StatusOr<nlohmann::json> RunRamBench(const RamBenchOptions& options);

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_RAM_BENCH_H_
