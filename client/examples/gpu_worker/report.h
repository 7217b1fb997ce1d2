// What was measured, for people and for programs.
#ifndef ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_REPORT_H_
#define ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_REPORT_H_

#include <nlohmann/json.hpp>
#include <ostream>
#include <vector>

#include "client/examples/gpu_worker/experiment.h"
#include "client/examples/gpu_worker/options.h"

namespace engram::gpu_worker {

// The smallest of the values that `percent` of them do not exceed; 0 if there are none.
double Percentile(std::vector<double> values, double percent);

// All figures, with their units in the keys; README.md says what each is.
nlohmann::ordered_json ToJson(const Options& options, const Measured& measured);

// The same in a few lines.
void PrintReport(const nlohmann::ordered_json& json, std::ostream& out);

}  // namespace engram::gpu_worker

#endif  // ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_REPORT_H_
