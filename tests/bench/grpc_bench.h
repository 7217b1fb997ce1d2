// Measures answers of the daemon from RAM against bare gRPC and against Redis.
#ifndef ENGRAM_TESTS_BENCH_GRPC_BENCH_H_
#define ENGRAM_TESTS_BENCH_GRPC_BENCH_H_

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"

namespace engram::bench {

struct GrpcBenchOptions {
  std::string dir;  // for twice table_bytes, removed at the end; empty: below TMPDIR
  uint64_t table_bytes = uint64_t{512} << 20;
  uint32_t row_bytes = 264;
  uint32_t group_size = 8;
  size_t batch_rows = 8192;  // of one answer
  size_t answers = 200;      // of each server in a round
  int rounds = 7;
};

// One client fetches random rows, one answer after the other, over Unix sockets from processes of
// their own: from the daemon, which holds all rows in RAM; from a bare gRPC stream whose server
// copies as many bytes from one place (ServeEcho); and, where redis-server is installed, from
// Redis by one MGET an answer. Every client copies the rows to the same buffer. The object holds
// the options, and the medians
//   bytes_per_s, echo_bytes_per_s, redis_bytes_per_s   of rows; null without Redis
//   ratio_to_echo, ratio_to_redis                      of the ratios of each round; likewise
//   answer_us, echo_answer_us                          mean of a round
//   {client,server}_cpu_us, echo_{client,server}_cpu_us   of one answer, all threads
// Errors: of whatever failed; DATA_LOSS if a byte was wrong; INTERNAL if a row was not in RAM;
// INVALID_ARGUMENT for options out of range.
absl::StatusOr<nlohmann::json> RunGrpcBench(const GrpcBenchOptions& options);

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_GRPC_BENCH_H_
