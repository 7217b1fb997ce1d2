// Goal: drift is the share of uses that moved, and none where only chance was at work.
#include "storage/placement/popularity_drift.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/storage/placement/placement_testing.h"

namespace engram::storage {
namespace {

using testing::DoubleNear;

constexpr uint32_t kCapacity = 20'000;
constexpr uint32_t kGroups = 100'000;

// Two windows of a stream in which the groups of `moved` (by a hash) are replaced by others.
class Windows {
 public:
  Windows(double exponent, double moved) : zipf_(exponent, kGroups), moved_(moved) {}

  PopularityDrift Measure(int uses_before, int uses_after, uint64_t seed) {
    Random random(seed);
    PopularGroups popular(kCapacity);
    for (int i = 0; i < uses_before; ++i) popular.Add(HashOf(zipf_.Next(random)));
    const PopularUses before = popular.Window(kCapacity);
    popular.Halve();
    for (int i = 0; i < uses_after; ++i) {
      const uint32_t group = zipf_.Next(random);
      popular.Add(HashOf(group + (Moves(group) ? kGroups : 0)));
    }
    return MeasureDrift(before, popular.Window(kCapacity));
  }

  double MovedShare() const {
    double share = 0;
    for (uint32_t group = 0; group < kGroups; ++group) {
      if (Moves(group)) share += zipf_.ShareOf(group);
    }
    return share;
  }

 private:
  bool Moves(uint32_t group) const { return Random(group).NextShare() < moved_; }

  const Zipf zipf_;
  const double moved_;
};

TEST(PopularityDriftTest, ChanceAloneIsNoDrift) {
  for (const double exponent : {0.6, 0.9, 1.2}) {
    Windows windows(exponent, 0);
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      const PopularityDrift drift = windows.Measure(300'000, 300'000, seed);
      EXPECT_THAT(drift.distance, DoubleNear(drift.noise, 0.05 * drift.noise + 0.001));
      EXPECT_LT(drift.drift, 0.004);
      EXPECT_LT(drift.standard_error, 0.004);
    }
  }
}

TEST(PopularityDriftTest, WindowsMayDifferInLength) {
  const PopularityDrift drift = Windows(0.9, 0).Measure(400'000, 100'000, 5);
  EXPECT_LT(drift.drift, 0.004);
}

TEST(PopularityDriftTest, DriftIsTheShareThatMoved) {
  for (const double moved : {0.03, 0.15, 0.5}) {
    Windows windows(1.1, moved);
    const PopularityDrift drift = windows.Measure(400'000, 400'000, 6);
    EXPECT_THAT(drift.drift, DoubleNear(windows.MovedShare(), 0.1 * moved + 0.01)) << moved;
    EXPECT_GT(drift.drift, 5 * drift.standard_error);
    EXPECT_GT(drift.coverage, 0.8);
  }
}

TEST(PopularityDriftTest, NothingInCommonIsOne) {
  for (const double exponent : {0.6, 1.2}) {
    const PopularityDrift drift = Windows(exponent, 1).Measure(200'000, 200'000, 7);
    EXPECT_THAT(drift.drift, DoubleNear(1, 1e-9));
  }
}

TEST(PopularityDriftTest, NothingToCompareIsZero) {
  PopularUses empty;
  PopularUses some{.total = 100, .groups = {{.hash = 1, .count = 100, .estimate = 100}}};
  EXPECT_EQ(MeasureDrift(empty, empty).distance, 0);
  EXPECT_EQ(MeasureDrift(some, empty).drift, 0);
  PopularUses rare{.total = 100, .groups = {{.hash = 1, .count = 1, .estimate = 1}}};
  EXPECT_EQ(MeasureDrift(rare, rare).coverage, 0);
}

TEST(PopularityDriftTest, GroupsThatMayBeUnlistedAreNotCompared) {
  PopularUses before{.total = 1000, .unlisted = 100, .groups = {}};
  before.groups = {{.hash = 1, .count = 500, .estimate = 500},
                   {.hash = 2, .count = 110, .estimate = 110}};
  PopularUses after = before;
  after.groups.pop_back();
  const PopularityDrift drift = MeasureDrift(before, after);
  EXPECT_EQ(drift.distance, 0);
  EXPECT_DOUBLE_EQ(drift.coverage, 0.5);
}

}  // namespace
}  // namespace engram::storage
