// Measures several ways to read rows of one table in turn, round by round.
#ifndef ENGRAM_TESTS_BENCH_ROW_READERS_H_
#define ENGRAM_TESTS_BENCH_ROW_READERS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "storage/cold/cold_tier.h"
#include "storage/table_spec.h"

namespace engram::bench {

// What each reader does in a round: batches, and then tokens one by one.
struct ReadPlan {
  int rounds = 5;
  size_t batch_rows = 8192;  // distinct, at random
  size_t batches = 8;
  size_t token_rows = 24;
  size_t tokens = 400;
};

// One way to read rows, and what was measured of it.
struct RowReader {
  std::string name;
  // Reads what `reads`, sorted by row, ask for.
  std::function<absl::Status(const std::vector<storage::RowRead>& reads, std::byte* rows)> read;
  bool checked = true;  // whether it returns the rows: then every byte is compared

  std::vector<double> rows_per_second = {};  // of the batches of each round
  std::vector<double> token_us = {};         // p50 of the tokens of each round
  uint64_t batch_rows = 0;                   // read in batches
  uint64_t device_bytes = 0;                 // that the device read for them

  double device_bytes_per_row() const {
    return static_cast<double>(device_bytes) / static_cast<double>(batch_rows);
  }
};

// Fills in what is measured of the readers of a table of FillRow's rows. Returns the error of a
// reader, or of CheckRows; INVALID_ARGUMENT for a plan that cannot be carried out.
absl::Status MeasureReaders(const storage::TableSpec& spec, const ReadPlan& plan,
                            std::vector<RowReader>* readers);

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_ROW_READERS_H_
