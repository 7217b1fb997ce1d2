// Measures fetches that find nothing in RAM against the bare device and stock RocksDB.
#ifndef ENGRAM_TESTS_BENCH_NVME_BENCH_H_
#define ENGRAM_TESTS_BENCH_NVME_BENCH_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "storage/io/read_engine.h"
#include "tests/bench/row_readers.h"

namespace engram::bench {

struct NvmeBenchOptions {
  std::string dir;  // for two tables of table_bytes, removed at the end; empty: below TMPDIR
  uint64_t table_bytes = uint64_t{4} << 30;
  uint32_t row_bytes = 264;
  uint32_t group_size = 8;
  int device_depth = 128;  // of the bare device's random reads
  int io_threads = 1;
  ReadPlan plan;
  storage::ReadEngineOptions read_engine;
};

// Fetches random rows from a store without a RAM tier, one caller; reads as many random 4 KiB
// blocks of the same files by io_uring and O_DIRECT; and reads the rows, stored one a key, by
// RocksDB's MultiGet with direct reads. The object holds the options, and the medians
//   rows_per_s, device_reads_per_s, stock_rows_per_s   in batches
//   ratio_to_device, ratio_to_stock                    of the ratios of each round
//   token_us, device_token_us, stock_token_us          p50 of a token's rows, read at once
//   token_latency_ratio                                to the device, of the ratios of each round
// and as evidence that all of it was cold
//   device_bytes_per_row, stock_device_bytes_per_row   read in batches, as the kernel counts them
//   store_reads_per_row                                as the store counts them
// Returns the error of whatever failed; DATA_LOSS if a byte of a row was wrong; INVALID_ARGUMENT
// for a plan that cannot be carried out.
absl::StatusOr<nlohmann::json> RunNvmeBench(const NvmeBenchOptions& options);

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_NVME_BENCH_H_
