// How fast the client turns FP8 rows into numbers for a CPU.
#ifndef ENGRAM_TESTS_BENCH_DEQUANTIZE_BENCH_H_
#define ENGRAM_TESTS_BENCH_DEQUANTIZE_BENCH_H_

#include <cstddef>
#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"

namespace engram::bench {

struct DequantizeBenchOptions {
  size_t rows = 768;  // of one token batch of 16 in both layers
  int rounds = 21;
};

// Dequantises random rows of 256 E4M3 values and 8 E8M0 scales on one core, again and again, beside
// the plain loop that looks values up in a table of 256 floats, and beside copying as many bytes as
// come out; in turns. The object holds the medians
//   fp32_values_per_s, bf16_values_per_s
//   ratio_to_table_loop   of fp32 values a second, to the loop's
//   ratio_to_copy         of the time to copy the fp32 values, to the time to make them
// Returns INVALID_ARGUMENT if there are no rows, or fewer than 5 rounds.
absl::StatusOr<nlohmann::json> RunDequantizeBench(const DequantizeBenchOptions& options);

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_DEQUANTIZE_BENCH_H_
