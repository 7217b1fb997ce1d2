// The whole measurement: rounds with rows and without, by turns.
#ifndef ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_EXPERIMENT_H_
#define ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_EXPERIMENT_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/examples/gpu_worker/decode_loop.h"
#include "client/examples/gpu_worker/device_rows.h"
#include "client/examples/gpu_worker/options.h"

namespace engram::gpu_worker {

struct Measured {
  std::string gpu;
  int driver_version = 0;
  bool shared_memory = false;       // rather than gRPC
  std::vector<uint32_t> layer_ids;  // the Engram layers
  uint64_t step_row_bytes = 0;      // copied to the GPU each step
  uint64_t weight_bytes = 0;        // streamed by the GPU each step
  DeviceRows::TierCounts tiers{};
  // In pairs: the i-th of each read the same text, one right after the other.
  std::vector<Round> baseline;
  std::vector<Round> with_rows;
};

// Opens GPU, daemon, tables and text, checks the injection kernel, and runs all rounds. What it is
// at is printed to `progress`.
// Returns the first error, as the parts have it.
absl::StatusOr<Measured> RunExperiment(const Options& options, std::ostream& progress);

}  // namespace engram::gpu_worker

#endif  // ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_EXPERIMENT_H_
