// Goal: the share of groups sampled is the rate, and lower rates sample a part of the same groups.
#include "storage/placement/spatial_sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "tests/storage/placement/placement_testing.h"

namespace engram::storage {
namespace {

using testing::DoubleNear;

TEST(SpatialSamplerTest, SamplesEverythingAtFirst) {
  const SpatialSampler sampler;
  EXPECT_EQ(sampler.rate(), 1);
  EXPECT_TRUE(sampler.Samples(0));
  EXPECT_TRUE(sampler.Samples(~uint64_t{0}));
  for (uint64_t group = 0; group < 10'000; ++group) EXPECT_TRUE(sampler.Samples(HashOf(group)));
}

TEST(SpatialSamplerTest, TheRateIsTheShareOfGroups) {
  constexpr uint64_t kGroups = 1'000'000;
  SpatialSampler before, sampler;
  for (const double rate : {0.5, 0.1, 0.01}) {
    sampler.Lower(rate);
    EXPECT_THAT(sampler.rate(), DoubleNear(rate, 1e-9));
    double sampled = 0;
    std::array<double, 8> by_upper_bits{};
    for (uint64_t group = 0; group < kGroups; ++group) {
      const uint64_t hash = HashOf(group);
      if (!sampler.Samples(hash)) continue;
      EXPECT_TRUE(before.Samples(hash));
      ++sampled;
      ++by_upper_bits[hash >> 61];
    }
    EXPECT_THAT(sampled / kGroups, DoubleNear(rate, 0.05 * rate));
    for (const double count : by_upper_bits) EXPECT_THAT(count * 8 / sampled, DoubleNear(1, 0.1));
    before.Lower(rate);
  }
}

}  // namespace
}  // namespace engram::storage
