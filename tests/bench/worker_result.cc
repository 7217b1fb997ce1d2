#include "tests/bench/worker_result.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <limits>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/bench/measure.h"

namespace engram::bench {
namespace {

std::vector<double> StallsOf(const std::vector<PacedFetch>& fetches) {
  std::vector<double> stalls;
  stalls.reserve(fetches.size());
  for (const PacedFetch& fetch : fetches) stalls.push_back(fetch.stall_us);
  return stalls;
}

// One token's n-grams all from RAM, all from the warm tier, and one, two and all three of them from
// the cold one; and whatever is more.
constexpr std::array<size_t, 6> kReads = {0, 3, 8, 16, 24, std::numeric_limits<size_t>::max()};

size_t ReadsOf(const PacedFetch& fetch, const WorkerLayer& layer) {
  return size_t{fetch.cold} * layer.group_rows + fetch.warm;
}

double SumUs(const std::vector<double>& stalls) {
  return std::accumulate(stalls.begin(), stalls.end(), 0.0);
}

double LateFractionOf(const std::vector<double>& stalls) {
  const auto late = std::count_if(stalls.begin(), stalls.end(), [](double us) { return us > 0; });
  return static_cast<double>(late) / static_cast<double>(stalls.size());
}

nlohmann::json ByReads(const std::vector<PacedFetch>& fetches, const WorkerLayer& layer) {
  std::array<std::vector<double>, kReads.size()> stalls;
  for (const PacedFetch& fetch : fetches) {
    const auto* const most = std::lower_bound(kReads.begin(), kReads.end(), ReadsOf(fetch, layer));
    stalls[static_cast<size_t>(most - kReads.begin())].push_back(fetch.stall_us);
  }
  nlohmann::json json;
  for (size_t i = 0; i < kReads.size(); ++i) {
    if (stalls[i].empty()) continue;
    const bool last = i + 1 == kReads.size();
    json[last ? "more" : absl::StrCat(kReads[i])] = {
        {"steps", stalls[i].size()},
        {"mean_us", SumUs(stalls[i]) / static_cast<double>(stalls[i].size())},
        {"late_fraction", LateFractionOf(stalls[i])}};
  }
  return json;
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

std::vector<double> WorkerResult::AllStalls() const {
  std::vector<double> stalls;
  for (const auto& layer : fetches_) {
    const std::vector<double> more = StallsOf(layer);
    stalls.insert(stalls.end(), more.begin(), more.end());
  }
  return stalls;
}

double WorkerResult::StallP99Us() const { return Quantile(AllStalls(), 0.99); }

double WorkerResult::LateFraction() const { return LateFractionOf(AllStalls()); }

nlohmann::json WorkerResult::StallByLayer(const std::vector<WorkerLayer>& layers) const {
  nlohmann::json json;
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    const std::vector<double> stalls = StallsOf(fetches_[layer]);
    std::vector<double> late;
    std::copy_if(stalls.begin(), stalls.end(), std::back_inserter(late),
                 [](double us) { return us > 0; });
    double groups = 0;
    double warm = 0;
    double cold = 0;
    double absent = 0;
    for (const PacedFetch& fetch : fetches_[layer]) {
      groups += fetch.groups;
      warm += fetch.warm;
      cold += fetch.cold;
      absent += fetch.absent;
    }
    json[layers[layer].name] = {{"window_us", absl::ToDoubleMicroseconds(layers[layer].window)},
                                {"mean_us", SumUs(stalls) / static_cast<double>(stalls.size())},
                                {"p50_us", Quantile(stalls, 0.5)},
                                {"p90_us", Quantile(stalls, 0.9)},
                                {"p99_us", Quantile(stalls, 0.99)},
                                {"late_fraction", LateFractionOf(stalls)},
                                {"late_p50_us", Quantile(late, 0.5)},
                                {"ram", (groups - warm - cold - absent) / groups},
                                {"warm", warm / groups},
                                {"cold", cold / groups},
                                {"absent", absent / groups},
                                {"by_reads", ByReads(fetches_[layer], layers[layer])}};
  }
  return json;
}

double WorkerResult::DeviceLoss(const std::vector<WorkerLayer>& layers, const BurstTimes& device,
                                absl::Duration step) const {
  double stall_us = 0;
  const size_t steps = fetches_.empty() ? 0 : fetches_[0].size();
  for (size_t i = 0; i < steps; ++i) {
    double late_us = 0;  // in all rounds
    for (size_t round = 0; round < device.rounds(); ++round) {
      double late_in_round_us = 0;  // by what stalled in this step before, later layers begin later
      for (size_t layer = 0; layer < layers.size(); ++layer) {
        const double us = device.UsFor(ReadsOf(fetches_[layer][i], layers[layer]),
                                       (round + layer) % device.rounds());
        late_in_round_us =
            std::max(late_in_round_us, us - absl::ToDoubleMicroseconds(layers[layer].window));
      }
      late_us += late_in_round_us;
    }
    stall_us += late_us / static_cast<double>(device.rounds());
  }
  return stall_us / (stall_us + static_cast<double>(steps) * absl::ToDoubleMicroseconds(step));
}

}  // namespace engram::bench
