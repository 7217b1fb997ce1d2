// Goal: the exponent is within 0.01 of the truth, and the standard error is honest.
#include "storage/placement/zipf_fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "tests/storage/placement/placement_testing.h"

namespace engram::storage {
namespace {

using testing::DoubleNear;

constexpr uint32_t kCapacity = 1u << 16;

// The fit of a stream over a million groups of which one use in `one_in` is counted.
ZipfFit FitStream(double exponent, int uses, uint32_t one_in, uint64_t seed) {
  const Zipf zipf(exponent, 1'000'000);
  PopularGroups popular(kCapacity);
  Random random(seed);
  Random thinning(~seed);
  for (int i = 0; i < uses; ++i) {
    const uint32_t group = zipf.Next(random);
    if (one_in == 1 || thinning.OneIn(one_in)) popular.Add(HashOf(group, seed));
  }
  const auto fit = FitZipf(popular.Top(20'000));
  EXPECT_TRUE(fit.has_value());
  return fit.value_or(ZipfFit{});
}

class ZipfStreamTest : public testing::TestWithParam<double> {};

TEST_P(ZipfStreamTest, EveryUseCounted) {
  const ZipfFit fit = FitStream(GetParam(), 6'000'000, 1, 1);
  EXPECT_THAT(fit.exponent, DoubleNear(GetParam(), 0.005));
  EXPECT_THAT(fit.exponent, DoubleNear(GetParam(), 4 * fit.standard_error));
  EXPECT_EQ(fit.first_rank, 10u);
  EXPECT_GT(fit.last_rank, 4000u);
}

TEST_P(ZipfStreamTest, OneUseInSixteenCounted) {
  const ZipfFit fit = FitStream(GetParam(), 20'000'000, 16, 2);
  EXPECT_THAT(fit.exponent, DoubleNear(GetParam(), 0.01));
  EXPECT_THAT(fit.exponent, DoubleNear(GetParam(), 4 * fit.standard_error));
  EXPECT_GT(fit.last_rank, 2000u);
}

INSTANTIATE_TEST_SUITE_P(Exponents, ZipfStreamTest, testing::Values(0.6, 0.9, 1.2));

TEST(ZipfFitTest, AgedCounts) {
  const Zipf zipf(0.9, 200'000);
  PopularGroups popular(kCapacity);
  Random random(3);
  for (int i = 0; i < 3'300'000; ++i) {
    if (i % 500'000 == 0) popular.Halve();
    popular.Add(HashOf(zipf.Next(random)));
  }
  const PopularUses uses = popular.Top(20'000);
  EXPECT_LT(uses.dispersion, 0.8);
  const auto fit = FitZipf(uses);
  ASSERT_TRUE(fit.has_value());
  EXPECT_THAT(fit->exponent, DoubleNear(0.9, 0.01));
  EXPECT_THAT(fit->exponent, DoubleNear(0.9, 4 * fit->standard_error));
}

TEST(ZipfFitTest, TheStandardErrorIsHonest) {
  constexpr int kSeeds = 60;
  for (const double exponent : {0.5, 0.7, 1.0, 1.4}) {
    const Zipf zipf(exponent, 20'000);
    double sum = 0;
    double squares = 0;
    for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
      Random random(seed);
      std::vector<double> counts(zipf.groups());
      for (int i = 0; i < 100'000; ++i) ++counts[zipf.Next(random)];
      std::sort(counts.begin(), counts.end(), std::greater<>());
      const auto fit = FitZipf(counts, {});
      ASSERT_TRUE(fit.has_value());
      const double deviation = (fit->exponent - exponent) / fit->standard_error;
      sum += deviation;
      squares += deviation * deviation;
    }
    EXPECT_THAT(std::sqrt(squares / kSeeds), DoubleNear(1, 0.3)) << exponent;
    EXPECT_LT(std::abs(sum / kSeeds), 0.5) << exponent;  // 0.13 by chance, the rest is bias
  }
}

// Counts without chance, of any window: the law itself.
std::vector<double> Law(double exponent, int ranks, double first) {
  std::vector<double> counts;
  for (int rank = 1; rank <= ranks; ++rank) counts.push_back(first * std::pow(rank, -exponent));
  return counts;
}

TEST(ZipfFitTest, TheLawItselfGivesItsExponent) {
  for (const double exponent : {0.3, 0.999, 1.0, 1.001, 2.0, 3.0}) {
    const auto fit = FitZipf(Law(exponent, 20'000, 1e18), {.dispersion = 1e-9});
    ASSERT_TRUE(fit.has_value());
    EXPECT_THAT(fit->exponent, DoubleNear(exponent, 1e-6));
    EXPECT_EQ(fit->last_rank, 10'000u);
  }
}

TEST(ZipfFitTest, OnlyTheWindowCounts) {
  std::vector<double> counts = Law(0.8, 5000, 1e9);
  for (int i = 0; i < 19; ++i) counts[i] = 1e10;
  for (int i = 500; i < 5000; ++i) counts[i] = 20;
  const auto fit = FitZipf(counts, {.first_rank = 20, .last_rank = 500, .dispersion = 1e-9});
  ASSERT_TRUE(fit.has_value());
  EXPECT_THAT(fit->exponent, DoubleNear(0.8, 1e-6));
  EXPECT_EQ(fit->first_rank, 20u);
  EXPECT_EQ(fit->last_rank, 500u);
}

TEST(ZipfFitTest, LowCountsAreLeftOut) {
  const std::vector<double> counts = Law(1, 5000, 16'000);
  EXPECT_EQ(FitZipf(counts, {})->last_rank, 1000u);
  EXPECT_EQ(FitZipf(counts, {.least_count = 80})->last_rank, 200u);
}

TEST(ZipfFitTest, TooLittleIsNothing) {
  EXPECT_FALSE(FitZipf(absl::Span<const double>(), {}).has_value());
  EXPECT_FALSE(FitZipf(PopularUses{}).has_value());
  EXPECT_FALSE(FitZipf(Law(1, 40, 1e6), {.first_rank = 1}).has_value());
  EXPECT_FALSE(FitZipf(Law(1, 300, 1e6), {.first_rank = 100}).has_value());
}

TEST(ZipfFitTest, AllTheSameIsNoSkew) {
  const auto fit = FitZipf(std::vector<double>(1000, 1e6), {});
  ASSERT_TRUE(fit.has_value());
  EXPECT_THAT(fit->exponent, DoubleNear(0, 0.001));
}

}  // namespace
}  // namespace engram::storage
