// Measures fetches by shared memory against fetches by gRPC, and against a plain gather.
#ifndef ENGRAM_TESTS_BENCH_SHM_BENCH_H_
#define ENGRAM_TESTS_BENCH_SHM_BENCH_H_

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"

namespace engram::bench {

struct ShmBenchOptions {
  std::string dir;  // for twice table_bytes, removed at the end; empty: below TMPDIR
  uint64_t table_bytes = uint64_t{512} << 20;
  uint32_t row_bytes = 264;
  uint32_t group_size = 8;
  size_t batch_rows = 8192;  // of one answer
  size_t answers = 200;      // of each transport in a round
  size_t token_rows = 24;
  size_t tokens = 2000;      // of each transport in a round
  size_t paced_tokens = 40;  // likewise, one every 10 ms
  int rounds = 7;
};

// A daemon in a process of its own holds all rows in RAM. One client fetches random rows from it,
// one answer after the other, by shared memory into a RowBuffer and by gRPC over the Unix socket
// into memory of its own; and a plain prefetching gather copies the same rows in this process. The
// object holds the options, and the medians
//   bytes_per_s, grpc_bytes_per_s, limit_bytes_per_s   of rows, answers of batch_rows
//   ratio_to_grpc, ratio_to_limit                      of the ratios of each round
//   cpu_us, grpc_cpu_us                                of one answer: client and daemon together
//   cpu_ratio_to_grpc
//   token_us, grpc_token_us, p50_ratio_to_grpc         p50 of one token's rows, back to back
//   paced_token_us, grpc_paced_token_us, paced_p50_ratio_to_grpc   when one comes every 10 ms
// Errors: of whatever failed; DATA_LOSS if a byte was wrong; INTERNAL if a row was not in RAM;
// INVALID_ARGUMENT for options out of range.
absl::StatusOr<nlohmann::json> RunShmBench(const ShmBenchOptions& options);

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_SHM_BENCH_H_
