// The worker's command line.
#ifndef ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_OPTIONS_H_
#define ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_OPTIONS_H_

#include <cstddef>
#include <optional>
#include <ostream>
#include <string>

#include "absl/status/statusor.h"
#include "client/examples/gpu_worker/decode_loop.h"
#include "client/examples/gpu_worker/model.h"
#include "client/examples/gpu_worker/text.h"

namespace engram::gpu_worker {

struct Options {
  std::string address = "unix:/run/engramd/engramd.sock";
  std::string name;  // the tables are NAME/layer<N>
  std::string config;
  std::string token_map;
  std::string trace;
  std::string docs;
  TextRange range;
  size_t rounds = 7;
  DecodeOptions decode;
  ModelShape shape;
  std::string cublas;  // empty: where it usually is
  std::string nvrtc;
  bool shared_memory = true;
  bool pin = true;
  bool graphs = true;
  bool json = false;
};

// Returns nothing after having printed a help text to `out`, or INVALID_ARGUMENT.
absl::StatusOr<std::optional<Options>> ParseOptions(int argc, const char* const* argv,
                                                    std::ostream& out);

}  // namespace engram::gpu_worker

#endif  // ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_OPTIONS_H_
