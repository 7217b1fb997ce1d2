// Measures the cold tier: one key a page against one key a row, our reads against stock RocksDB's
// and against the bare device.
#ifndef ENGRAM_TESTS_BENCH_COLD_LAYOUT_BENCH_H_
#define ENGRAM_TESTS_BENCH_COLD_LAYOUT_BENCH_H_

#include <cstdint>
#include <iosfwd>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "storage/io/read_engine.h"
#include "tests/bench/row_readers.h"

namespace engram::bench {

struct ColdLayoutOptions {
  std::string dir;  // for two tables of table_bytes, removed at the end; empty: below TMPDIR
  uint64_t table_bytes = uint64_t{4} << 30;
  uint32_t row_bytes = 264;
  ReadPlan plan;
  storage::ReadEngineOptions read_engine;
};

// Loads both tables, measures, and prints Markdown tables to `out`. Reads only with one thread. The
// object holds the medians of every reader under "readers"; of our reads of pages, and of stock
// RocksDB's of rows, also
//   pages_rows_per_s, rows_stock_rows_per_s, ratio_to_stock   the median of each round's ratio
//   read_again                                                of ours
// Returns the error of whatever failed.
absl::StatusOr<nlohmann::json> RunColdLayoutBench(const ColdLayoutOptions& options,
                                                  std::ostream& out);

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_COLD_LAYOUT_BENCH_H_
