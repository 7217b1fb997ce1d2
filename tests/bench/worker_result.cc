#include "tests/bench/worker_result.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "tests/bench/measure.h"

namespace engram::bench {
namespace {

// What `part` of the values are below; of no values, 0.
double Quantile(std::vector<double> values, double part) {
  if (values.empty()) return 0;
  const auto at =
      values.begin() + static_cast<ptrdiff_t>(static_cast<double>(values.size()) * part);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

std::vector<double> StallsOf(const std::vector<PacedFetch>& fetches) {
  std::vector<double> stalls;
  stalls.reserve(fetches.size());
  for (const PacedFetch& fetch : fetches) stalls.push_back(fetch.stall_us);
  return stalls;
}

}  // namespace

void WorkerResult::Add(const PacedRun& run, int steps) {
  const double seconds = absl::ToDoubleSeconds(run.time);
  tokens_per_s_.push_back(static_cast<double>(run.tokens) / seconds);
  step_us_.push_back(seconds * 1e6 / steps);
  tokens_ += run.tokens;
  fetches_.resize(run.fetches.size());
  for (size_t layer = 0; layer < run.fetches.size(); ++layer) {
    const std::vector<PacedFetch>& more = run.fetches[layer];
    fetches_[layer].insert(fetches_[layer].end(), more.begin(), more.end());
  }
}

double WorkerResult::LossAgainst(const WorkerResult& baseline) const {
  return 1 - MedianRatio(baseline.step_us_, step_us_);
}

double WorkerResult::StallP99Us() const {
  std::vector<double> stalls;
  for (const auto& layer : fetches_) {
    const std::vector<double> more = StallsOf(layer);
    stalls.insert(stalls.end(), more.begin(), more.end());
  }
  return Quantile(std::move(stalls), 0.99);
}

double WorkerResult::LateFraction() const {
  size_t late = 0;
  size_t all = 0;
  for (const auto& layer : fetches_) {
    late += static_cast<size_t>(std::count_if(
        layer.begin(), layer.end(), [](const auto& fetch) { return fetch.stall_us > 0; }));
    all += layer.size();
  }
  return static_cast<double>(late) / static_cast<double>(all);
}

nlohmann::json WorkerResult::StallByLayer(const std::vector<WorkerLayer>& layers) const {
  nlohmann::json json;
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    const std::vector<double> stalls = StallsOf(fetches_[layer]);
    std::vector<double> late;
    double sum = 0;
    for (const double stall : stalls) {
      sum += stall;
      if (stall > 0) late.push_back(stall);
    }
    double groups = 0;
    double warm = 0;
    double cold = 0;
    for (const PacedFetch& fetch : fetches_[layer]) {
      groups += fetch.groups;
      warm += fetch.warm;
      cold += fetch.cold;
    }
    const auto steps = static_cast<double>(stalls.size());
    json[layers[layer].name] = {{"window_us", absl::ToDoubleMicroseconds(layers[layer].window)},
                                {"mean_us", sum / steps},
                                {"p50_us", Quantile(stalls, 0.5)},
                                {"p90_us", Quantile(stalls, 0.9)},
                                {"p99_us", Quantile(stalls, 0.99)},
                                {"late_fraction", static_cast<double>(late.size()) / steps},
                                {"late_p50_us", Quantile(late, 0.5)},
                                {"ram", (groups - warm - cold) / groups},
                                {"warm", warm / groups},
                                {"cold", cold / groups}};
  }
  return json;
}

double WorkerResult::DeviceLoss(const std::vector<WorkerLayer>& layers, const DeviceBursts& device,
                                absl::Duration step) const {
  double stall_us = 0;
  const size_t steps = fetches_.empty() ? 0 : fetches_[0].size();
  for (size_t i = 0; i < steps; ++i) {
    double late_us = 0;  // by what stalled in this step before, later layers begin later
    for (size_t layer = 0; layer < layers.size(); ++layer) {
      const PacedFetch& fetch = fetches_[layer][i];
      const double us = device.UsFor(size_t{fetch.cold} * layers[layer].group_rows + fetch.warm);
      late_us = std::max(late_us, us - absl::ToDoubleMicroseconds(layers[layer].window));
    }
    stall_us += late_us;
  }
  return stall_us / (stall_us + static_cast<double>(steps) * absl::ToDoubleMicroseconds(step));
}

}  // namespace engram::bench
