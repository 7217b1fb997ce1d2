// Measures imports of checkpoints against a sequential write of as many bytes.
#ifndef ENGRAM_TESTS_BENCH_IMPORT_BENCH_H_
#define ENGRAM_TESTS_BENCH_IMPORT_BENCH_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"

namespace engram::bench {

struct ImportBenchOptions {
  std::string dir;  // for three times `bytes`, removed at the end; empty: below TMPDIR
  uint64_t bytes = uint64_t{1} << 30;  // of the checkpoint, about
  int rounds = 5;
};

// Imports a made checkpoint of DeepSeek-V4.1's geometry, both layers, into a new store, and writes
// as many bytes from memory to a file in pieces of 1 MiB, followed by fsync; by turns. Before each
// import the checkpoint's files are read once, into the page cache. The object holds the options,
// and
//   import_mb_per_s, sequential_write_mb_per_s   medians; bytes of rows, MB = 10^6
//   ratio_to_sequential_write                    the median of the ratios of each round
//   import_cpu_s_per_gb                          median; of all threads, user and system
//   cores_busy                                   median; share of all cores' time in the import
//   disk_busy                                    likewise of the disk's; null if not counted
//   source_page_cache                            "warm"
//   source_bytes_from_device                     most that one import made the device read
//   table_bytes, disk_bytes                      rows, and what the store takes for them
// Returns the error of whatever failed; DATA_LOSS if a byte of an imported row was wrong.
absl::StatusOr<nlohmann::json> RunImportBench(const ImportBenchOptions& options);

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_IMPORT_BENCH_H_
