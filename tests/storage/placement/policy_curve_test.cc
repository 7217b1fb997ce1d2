// Goal: miniature caches that see a sample hit like caches of the full size that see all, and
// follow the workload.
#include "storage/placement/policy_curve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "storage/placement/spatial_sampler.h"
#include "tests/storage/placement/placement_testing.h"

namespace engram::storage {
namespace {

using testing::DoubleNear;
using testing::IsEmpty;
using testing::SizeIs;

constexpr uint64_t kForEver = uint64_t{1} << 60;  // a half-life without ageing

TEST(PolicyCurveTest, PredictsTheFullSizeFromASample) {
  constexpr uint32_t kSizes[] = {5000, 20'000, 60'000};
  const Zipf zipf(0.9, 200'000);
  Random random(1);
  SpatialSampler sampler;
  sampler.Lower(0.1);
  PolicyCurve curve({.cache_groups = 20'000, .rate = sampler.rate(), .half_life = kForEver});
  std::vector<std::unique_ptr<MiniatureCache>> caches;
  for (const uint32_t size : kSizes) {
    caches.push_back(std::make_unique<MiniatureCache>(size, ReusePolicyOptions{}));
  }
  std::vector<double> hits(caches.size());
  constexpr int kUses = 300'000;
  for (int i = 0; i < kUses; ++i) {
    const GroupKey group = {.hash = HashOf(zipf.Next(random))};
    for (size_t k = 0; k < caches.size(); ++k) hits[k] += caches[k]->Use(group) ? 1 : 0;
    curve.AddUses(1);
    if (sampler.Samples(group.hash)) curve.Use(group);
  }
  for (size_t k = 0; k < caches.size(); ++k) {
    EXPECT_THAT(curve.HitRatio(kSizes[k]), DoubleNear(hits[k] / kUses, 0.02)) << kSizes[k];
  }
}

TEST(PolicyCurveTest, SimulatesSizesAroundTheCache) {
  PolicyCurve curve({.cache_groups = 1 << 20, .rate = 1.0 / 256});
  EXPECT_THAT(curve.Points(), IsEmpty());
  curve.AddUses(256);
  curve.Use({.hash = 1});
  const std::vector<HitRatioPoint> points = curve.Points();
  ASSERT_THAT(points, SizeIs(8));
  EXPECT_EQ(points.front().groups, 1 << 14);
  EXPECT_EQ(points.back().groups, 1 << 24);
  EXPECT_EQ(curve.sampled_uses(), 1u);
}

TEST(PolicyCurveTest, LeavesOutSizesThatTheSampleIsTooSmallFor) {
  PolicyCurve curve({.cache_groups = PolicyCurve::kLeastSlots * 10, .rate = 0.1});
  curve.AddUses(1);
  const std::vector<HitRatioPoint> points = curve.Points();
  ASSERT_THAT(points, SizeIs(4));
  EXPECT_THAT(points.front().groups, DoubleNear(PolicyCurve::kLeastSlots * 10, 1e-6));
}

TEST(PolicyCurveTest, FollowsTheWorkload) {
  PolicyCurve curve({.cache_groups = 1000, .half_life = 10'000});
  uint64_t next = 0;
  for (int i = 0; i < 50'000; ++i) {
    curve.AddUses(1);
    curve.Use({.hash = HashOf(next++)});
  }
  EXPECT_EQ(curve.HitRatio(1000), 0);
  for (int i = 0; i < 100'000; ++i) {
    curve.AddUses(1);
    curve.Use({.hash = HashOf(static_cast<uint64_t>(i) % 100)});
  }
  EXPECT_GT(curve.HitRatio(1000), 0.99);
}

TEST(PolicyCurveTest, GroupsThatTheSampleLacksCountAsHits) {
  // Half of all uses are of one group that is not sampled.
  PolicyCurve curve({.cache_groups = 1000, .rate = 0.5, .half_life = kForEver});
  for (int i = 0; i < 1000; ++i) {
    curve.AddUses(4);
    curve.Use({.hash = HashOf(static_cast<uint64_t>(i))});
  }
  EXPECT_THAT(curve.HitRatio(1000), DoubleNear(0.5, 1e-9));
}

TEST(PolicyCurveTest, InterpolatesOverTheLogarithmOfTheSize) {
  const std::vector<HitRatioPoint> points = {{100, 0.2}, {400, 0.4}, {1600, 0.5}};
  EXPECT_EQ(InterpolateHitRatio({}, 100), 0);
  EXPECT_EQ(InterpolateHitRatio(points, 0), 0);
  EXPECT_THAT(InterpolateHitRatio(points, 50), DoubleNear(0.1, 1e-9));
  EXPECT_THAT(InterpolateHitRatio(points, 100), DoubleNear(0.2, 1e-9));
  EXPECT_THAT(InterpolateHitRatio(points, 200), DoubleNear(0.3, 1e-9));
  EXPECT_THAT(InterpolateHitRatio(points, 800), DoubleNear(0.45, 1e-9));
  EXPECT_THAT(InterpolateHitRatio(points, 1600), DoubleNear(0.5, 1e-9));
  EXPECT_THAT(InterpolateHitRatio(points, 1e9), DoubleNear(0.5, 1e-9));
}

}  // namespace
}  // namespace engram::storage
