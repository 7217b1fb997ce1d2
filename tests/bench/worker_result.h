// What the rounds of a paced worker came to, of one way to get rows.
#ifndef ENGRAM_TESTS_BENCH_WORKER_RESULT_H_
#define ENGRAM_TESTS_BENCH_WORKER_RESULT_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/bench/burst_times.h"
#include "tests/bench/paced_worker.h"

namespace engram::bench {

// An Engram layer of the model that runs.
struct WorkerLayer {
  std::string name;         // its id
  absl::Duration window;    // from the start of a step until the layer begins
  uint32_t group_rows = 0;  // of an n-gram
};

class WorkerResult {
 public:
  // A round. All are of as many layers.
  void Add(const PacedRun& run, int steps);

  const std::vector<double>& tokens_per_s() const { return tokens_per_s_; }  // [rounds]
  uint64_t tokens() const { return tokens_; }

  // What part of the steps that the baseline makes in a time this one does not.
  double LossAgainst(const WorkerResult& baseline) const;

  // Of all steps and layers: what nearly none waited longer than, and how many waited at all.
  double StallP99Us() const;
  double LateFraction() const;

  // By layer: window_us, mean_us, p50_us, p90_us, p99_us of what a step waited, late_fraction of
  // those that waited at all and late_p50_us of these; ram, warm and cold: the parts of the groups
  // that each tier had, and absent; by_reads: steps, mean_us and late_fraction of the steps that
  // took so many reads at most, and more than the one before: of those without reads, what is late
  // is not the device's.
  nlohmann::json StallByLayer(const std::vector<WorkerLayer>& layers) const;

  // What would be lost if each fetch took as long as the bare device takes for its own reads, and
  // no time if it has none, or if others read for it, as hints do: the mean of what each of the
  // device's rounds would make of it, in which the layers' bursts are of rounds that follow each
  // other. `step`: of the baseline.
  double DeviceLoss(const std::vector<WorkerLayer>& layers, const BurstTimes& device,
                    absl::Duration step) const;

 private:
  std::vector<double> AllStalls() const;

  std::vector<double> tokens_per_s_;  // [rounds]
  std::vector<double> step_us_;       // [rounds]
  uint64_t tokens_ = 0;
  std::vector<std::vector<PacedFetch>> fetches_;  // [layers][steps]
};

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_WORKER_RESULT_H_
