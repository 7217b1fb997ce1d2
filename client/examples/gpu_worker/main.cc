// An inference worker that shows what Engram rows cost a GPU: see README.md.
#include <malloc.h>

#include <cstdlib>
#include <iostream>
#include <optional>

#include "client/examples/gpu_worker/experiment.h"
#include "client/examples/gpu_worker/options.h"
#include "client/examples/gpu_worker/report.h"

int main(int argc, char** argv) {
  constexpr int kUsage = 2;
  // gRPC's own log would stand between our lines. Whoever wants it sets the variable.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  // As client/engram_client.h advises.
  mallopt(M_MMAP_THRESHOLD, 256 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  const auto options = engram::gpu_worker::ParseOptions(argc, argv, std::cout);
  if (!options.ok()) {
    std::cerr << "gpu_worker: " << options.status().message() << " (see gpu_worker --help)\n";
    return kUsage;
  }
  if (!options->has_value()) return EXIT_SUCCESS;
  const auto measured = engram::gpu_worker::RunExperiment(**options, std::cerr);
  if (!measured.ok()) {
    std::cerr << "gpu_worker: " << measured.status().message() << "\n";
    return EXIT_FAILURE;
  }
  const auto json = engram::gpu_worker::ToJson(**options, *measured);
  if ((*options)->json) {
    std::cout << json.dump() << "\n";
  } else {
    engram::gpu_worker::PrintReport(json, std::cout);
  }
  return std::cout.flush() ? EXIT_SUCCESS : EXIT_FAILURE;
}
