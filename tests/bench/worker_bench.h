// Tokens a second that a serving engine loses by fetching its rows.
#ifndef ENGRAM_TESTS_BENCH_WORKER_BENCH_H_
#define ENGRAM_TESTS_BENCH_WORKER_BENCH_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/bench/group_trace.h"
#include "tests/bench/paced_worker.h"

namespace engram::bench {

struct WorkerBenchOptions {
  std::string dir;         // for four times table_bytes, removed at the end; empty: below TMPDIR
  GroupTraceOptions text;  // its trace, docs and token_map; the config is the checkpoint's
  uint64_t table_bytes = uint64_t{1} << 30;  // of both layers together
  double ram_share = 0.1;  // of that, or see of_ngrams; 1 of that: all rows are in RAM
  double warm_share = 0;   // likewise, disk for the warm tier; it may be more than 1
  bool of_ngrams = false;  // shares are of the rows of the trace's distinct n-grams, of both layers
  bool windows = true;     // the daemon is told when each layer begins
  bool rebalance = false;  // after the warm-up, while more of the trace is fetched
  std::vector<std::string> daemon_flags = {};  // engramd's, beside those
  uint64_t warm_up_tokens = 200'000;           // of the trace, fetched before
  WorkerPlan plan;
  int steps = 100;  // of each transport in a round
  int rounds = 5;
  bool find_max = false;        // raise the number of sequences until 1 % is lost
  uint32_t prefill_tokens = 0;  // of a prompt that is read beside it at the end; 0: none
};

// A daemon in a process of its own serves both layers of a checkpoint of DeepSeek-V4.1's geometry.
// A PacedWorker runs over the trace by turns without any fetch (the baseline), by shared memory,
// and by gRPC. The object holds the options, and the medians over the rounds
//   tokens_per_s, baseline_tokens_per_s
//   ratio_to_baseline, loss_fraction                      steps a second; one is 1 less the other
//   stall_p99_us, late_fraction                           of all rounds: of steps and layers
//   nvme_reads_per_token, device_reads_per_s              of the bare device, 128 under way
//   device_bound_tokens_per_s                             the one over the other; absent if nothing
//                                                         was read
//   stall_us_by_layer                                     see WorkerResult
//   device_burst_us                                       of the bare device, by a burst's reads
//   device_loss_fraction                                  what these alone would cost the fetches
// the first ones and those by layer for gRPC as well, beginning with `grpc_`; and with find_max
//   max_tokens_per_s_at_1pct_loss, max_sequences          by shared memory, to a tenth
//   max_of_device_bound                                   its reads a second, of the bare device's
//                                                         right after that load; 0 if there is none
//   loss_by_load                                          of each number of sequences tried, its
//                                                         nvme_reads_per_token, and of_device
// and with prefill_tokens, while these, the last of the trace, are fetched beside it,
//   prefill_tokens_per_s, prefill_reads_per_token         of the decoding, too
//   prefill_of_device                                     reads a second, of the bare device's
//   prefill_decode_stall_p99_us, prefill_decode_stall_us_by_layer   of the worker meanwhile
//   device_idle_burst_p99_us, device_loaded_burst_p99_us, device_load_reads_per_s
//                                                         of the bare device, for the reads of one
//                                                         token and layer: see BurstsBesideLoad
// Errors: of whatever failed; INVALID_ARGUMENT for options out of range.
absl::StatusOr<nlohmann::json> RunWorkerBench(const WorkerBenchOptions& options);

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_WORKER_BENCH_H_
