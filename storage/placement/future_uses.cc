#include "storage/placement/future_uses.h"

#include <algorithm>
#include <cmath>

namespace engram::storage {
namespace {

// Before anything is known, of the groups with k uses k in k + 1.5 have another: so many groups of
// such experience.
constexpr float kAssumedGroups = 50;

// Groups of an order after which older experience counts half.
constexpr float kMemoryGroups = 1 << 20;

constexpr double kMiddle = 40;  // the level of one use

}  // namespace

FutureUses::FutureUses(uint32_t orders) : reached_(orders), levels_(orders) {
  for (auto& reached : reached_) reached.fill(0);
  Refresh();
}

double FutureUses::UsesAt(uint8_t level) {
  static const auto kUses = [] {
    std::array<double, kLevels + 1> uses{};
    for (size_t i = 0; i < uses.size(); ++i) {
      uses[i] = std::exp2((static_cast<double>(i) - kMiddle) / kLevelsPerDoubling);
    }
    return uses;
  }();
  return kUses[level];
}

uint8_t FutureUses::LevelAt(double uses) {
  const double level = std::round(kMiddle + kLevelsPerDoubling * std::log2(uses));
  return static_cast<uint8_t>(std::clamp(level, 1.0, double{kLevels}));
}

void FutureUses::Add(uint32_t order, uint8_t before, uint8_t after) {
  auto& reached = reached_[std::min<size_t>(order, reached_.size() - 1)];
  for (uint32_t uses = before + 1U; uses <= std::min<uint32_t>(after, kCounted); ++uses) {
    reached[uses] += 1;
  }
}

void FutureUses::Refresh() {
  lowest_level_ = kLevels;
  for (size_t order = 0; order < reached_.size(); ++order) {
    auto& reached = reached_[order];
    float future = kCounted;
    for (uint32_t uses = 255; uses > 0; --uses) {
      if (uses >= kCounted) {
        future = static_cast<float>(uses);
      } else {
        const auto count = static_cast<float>(uses);
        const float assumed = count / (count + 1.5F);
        const float share = (reached[uses + 1] + kAssumedGroups * assumed) /
                            (std::max(reached[uses], reached[uses + 1]) + kAssumedGroups);
        future = share * (1 + future);
      }
      levels_[order][uses] = LevelAt(future);
    }
    lowest_level_ = std::min(lowest_level_, levels_[order][1]);
    if (reached[1] > kMemoryGroups) {
      for (float& groups : reached) groups /= 2;
    }
  }
}

}  // namespace engram::storage
