#include "storage/placement/popularity_drift.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

namespace engram::storage {
namespace {

// Of both windows together. Fewer uses are too far from normally distributed, and mostly noise.
constexpr double kLeastUses = 16;
// A group that is not listed counts as unused, so its uses must not matter.
constexpr double kUnlistedMargin = 4;

// The mean of |x| for x normally distributed with variance 1: sqrt(2 / pi).
constexpr double kMeanOfNormal = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;

struct Pair {
  uint64_t hash;
  double before;
  double after;
};

// One pair a group, unlisted uses as none.
std::vector<Pair> Join(const PopularUses& before, const PopularUses& after) {
  std::vector<Pair> pairs;
  pairs.reserve(before.groups.size() + after.groups.size());
  for (const PopularGroup& group : before.groups) pairs.push_back({group.hash, group.estimate, 0});
  for (const PopularGroup& group : after.groups) pairs.push_back({group.hash, 0, group.estimate});
  std::sort(pairs.begin(), pairs.end(),
            [](const Pair& a, const Pair& b) { return a.hash < b.hash; });
  size_t joined = 0;
  for (const Pair& pair : pairs) {
    if (joined > 0 && pairs[joined - 1].hash == pair.hash) {
      pairs[joined - 1].before += pair.before;
      pairs[joined - 1].after += pair.after;
    } else {
      pairs[joined++] = pair;
    }
  }
  pairs.resize(joined);
  return pairs;
}

struct Sums {
  double shares = 0;
  double distance = 0;
  double noise = 0;
  double noise_variance = 0;
};

}  // namespace

PopularityDrift MeasureDrift(const PopularUses& before, const PopularUses& after) {
  if (before.total <= 0 || after.total <= 0) return {};
  const double least =
      std::max(kLeastUses, kUnlistedMargin * std::max(before.unlisted, after.unlisted));
  const double spread = 1 / before.total + 1 / after.total;
  Sums sums;
  for (const Pair& pair : Join(before, after)) {
    if (pair.before + pair.after < least) continue;
    const double share = (pair.before + pair.after) / (before.total + after.total);
    const double variance = share * (1 - share) * spread;
    sums.shares += pair.before / before.total + pair.after / after.total;
    sums.distance += std::abs(pair.before / before.total - pair.after / after.total);
    sums.noise += kMeanOfNormal * std::sqrt(variance);
    sums.noise_variance += (1 - kMeanOfNormal * kMeanOfNormal) * variance;
  }
  if (sums.shares <= 0) return {};
  const double noise = sums.noise / sums.shares;
  PopularityDrift result{.distance = sums.distance / sums.shares,
                         .noise = std::min(noise, 1.0),
                         .coverage = std::min(sums.shares / 2, 1.0)};
  if (noise < 1) {
    const double noise_error = std::sqrt(sums.noise_variance) / sums.shares;
    result.drift = std::clamp((result.distance - noise) / (1 - noise), 0.0, 1.0);
    result.standard_error = std::min(noise_error / (1 - noise), 1.0);
  }
  return result;
}

}  // namespace engram::storage
