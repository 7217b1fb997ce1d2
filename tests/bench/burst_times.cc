#include "tests/bench/burst_times.h"

#include <iterator>

#include "tests/bench/measure.h"

namespace engram::bench {

BurstTimes::Round BurstTimes::Medians() const {
  std::map<size_t, std::vector<double>> times;
  for (const Round& round : rounds_) {
    for (const auto& [size, us] : round) times[size].push_back(us);
  }
  Round medians;
  for (auto& [size, us] : times) medians[size] = Median(std::move(us));
  return medians;
}

double BurstTimes::UsFor(size_t reads, size_t round) const {
  if (reads == 0) return 0;
  const Round& times = rounds_[round];
  const auto above = times.lower_bound(reads);
  if (above == times.begin()) return above->second;
  const auto [less, less_us] = *std::prev(above);
  if (above == times.end()) {
    return less_us * static_cast<double>(reads) / static_cast<double>(less);
  }
  const auto [size, us] = *above;
  return less_us +
         (us - less_us) / static_cast<double>(size - less) * static_cast<double>(reads - less);
}

}  // namespace engram::bench
