#include "tests/storage/placement/placement_testing.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace engram::storage {
namespace {

constexpr uint64_t kGamma = 0x9E3779B97F4A7C15u;

uint64_t Mix(uint64_t x) {
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return x ^ x >> 31;
}

}  // namespace

uint64_t HashOf(uint64_t group, uint64_t seed) { return Mix(Mix(seed + kGamma) + group * kGamma); }

uint64_t Random::Next() { return Mix(state_ += kGamma); }

double Random::NextShare() { return static_cast<double>(Next() >> 11) * 0x1p-53; }

Zipf::Zipf(double exponent, uint32_t groups) : shares_(groups), columns_(groups) {
  for (uint32_t i = 0; i < groups; ++i) shares_[i] = std::pow(i + 1.0, -exponent);
  const double sum = std::accumulate(shares_.begin(), shares_.end(), 0.0);
  for (double& share : shares_) share /= sum;

  std::vector<double> heights(groups);
  std::vector<uint32_t> low, high;
  for (uint32_t i = 0; i < groups; ++i) {
    heights[i] = shares_[i] * groups;
    (heights[i] < 1 ? low : high).push_back(i);
    columns_[i] = {.below = ~0u, .alias = i};
  }
  while (!low.empty() && !high.empty()) {
    const uint32_t filled = low.back();
    const uint32_t donor = high.back();
    low.pop_back();
    columns_[filled] = {.below = static_cast<uint32_t>(heights[filled] * 0x1p32), .alias = donor};
    heights[donor] -= 1 - heights[filled];
    if (heights[donor] >= 1) continue;
    high.pop_back();
    low.push_back(donor);
  }
}

uint32_t Zipf::Next(Random& random) const {
  const uint64_t draw = random.Next();
  const auto column = static_cast<uint32_t>(((draw >> 32) * columns_.size()) >> 32);
  return static_cast<uint32_t>(draw) < columns_[column].below ? column : columns_[column].alias;
}

}  // namespace engram::storage
