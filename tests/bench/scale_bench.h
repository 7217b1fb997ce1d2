// Measures what the size of a table costs.
#ifndef ENGRAM_TESTS_BENCH_SCALE_BENCH_H_
#define ENGRAM_TESTS_BENCH_SCALE_BENCH_H_

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"

namespace engram::bench {

struct ScaleBenchOptions {
  std::string dir;  // for three times the largest table, removed at the end; empty: below TMPDIR
  uint64_t table_bytes = uint64_t{256} << 20;  // of the smallest table
  int sizes = 3;
  uint32_t row_bytes = 264;
  uint32_t group_size = 8;
  uint64_t hot_bytes = uint64_t{32} << 20;
  int hot_passes = 20;  // over the hot rows, in a daemon's round
  size_t batch_rows = 8192;
  size_t batches = 8;
  int rounds = 5;
};

// A daemon in a process of its own for each size, each table four times as large as the one before.
// Without RAM for rows: how long it takes until it listens, what memory it has after fetches of
// distinct random rows, and how many of them it serves a second; with RAM for twice hot_bytes: how
// many rows a second of hot_bytes spread over the whole table, all in RAM, by shared memory. The
// object holds the options, and
//   sizes           an array: rows, table_bytes, start_ms, memory_bytes, cold_rows_per_s,
//                   hot_rows_per_s; medians
//   start_ratio, hot_ratio      the largest table over the smallest
//   memory_bytes_per_row        from the smallest table to the largest
//   memory_bytes_768m           what it comes to at 768 million rows
// Errors: of whatever failed; DATA_LOSS if a byte was wrong; INTERNAL if hot rows do not stay in
// RAM; INVALID_ARGUMENT for options out of range.
absl::StatusOr<nlohmann::json> RunScaleBench(const ScaleBenchOptions& options);

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_SCALE_BENCH_H_
