#include "storage/latency_histogram.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <thread>
#include <vector>

namespace engram::storage {
namespace {

TEST(LatencyHistogramTest, EmptyIsZero) {
  const LatencyStats stats = LatencyHistogram().Stats();
  EXPECT_EQ(stats.count, 0U);
  EXPECT_EQ(stats.p50_us, 0);
  EXPECT_EQ(stats.p999_us, 0);
  EXPECT_EQ(stats.max_us, 0);
}

// Whatever the duration, every percentile of it alone is at least itself and at most 12.5 % more;
// and never more than the maximum.
TEST(LatencyHistogramTest, BucketsAreAnEighthOfAnOctave) {
  for (int shift = 0; shift < 62; ++shift) {
    for (const uint64_t extra : {0, 1, 3, 7}) {
      const uint64_t ns = (uint64_t{1} << shift) + (extra << shift >> 3);
      LatencyHistogram histogram;
      histogram.Record(absl::Nanoseconds(static_cast<int64_t>(ns)));
      histogram.Record(absl::Nanoseconds(static_cast<int64_t>(ns + ns / 2)));
      const LatencyStats stats = histogram.Stats();
      const double us = static_cast<double>(ns) / 1e3;
      EXPECT_EQ(stats.count, 2U);
      EXPECT_GE(stats.p50_us, us);
      EXPECT_LE(stats.p50_us, us * 1.125);
      EXPECT_EQ(stats.p999_us, stats.max_us);
    }
  }
}

TEST(LatencyHistogramTest, Percentiles) {
  LatencyHistogram histogram;
  for (int i = 1; i <= 1000; ++i) {
    histogram.Record(absl::Microseconds(i));
  }
  const LatencyStats stats = histogram.Stats();
  EXPECT_EQ(stats.count, 1000U);
  const auto near = [](double value, double exact) {
    return value >= exact && value <= exact * 1.125;
  };
  EXPECT_TRUE(near(stats.p50_us, 500)) << stats.p50_us;
  EXPECT_TRUE(near(stats.p90_us, 900)) << stats.p90_us;
  EXPECT_TRUE(near(stats.p99_us, 990)) << stats.p99_us;
  EXPECT_TRUE(near(stats.p999_us, 999)) << stats.p999_us;
  EXPECT_EQ(stats.max_us, 1000);
}

TEST(LatencyHistogramTest, ExtremesAreTaken) {
  LatencyHistogram histogram;
  histogram.Record(-absl::Seconds(1));  // the clock was set back
  EXPECT_EQ(histogram.Stats().max_us, 0);
  histogram.Record(absl::ZeroDuration());
  histogram.Record(absl::InfiniteDuration());
  const LatencyStats stats = histogram.Stats();
  EXPECT_EQ(stats.count, 3U);
  EXPECT_EQ(stats.p50_us, 0);
  EXPECT_EQ(stats.max_us, static_cast<double>(INT64_MAX) / 1e3);
  EXPECT_EQ(stats.p99_us, stats.max_us);
}

TEST(LatencyHistogramTest, ThreadsLoseNothing) {
  LatencyHistogram histogram;
  constexpr int kThreads = 4;
  constexpr int kEach = 20'000;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&histogram, t] {
        for (int i = 0; i < kEach; ++i) {
          histogram.Record(absl::Nanoseconds(i * kThreads + t));
        }
      });
    }
  }
  EXPECT_EQ(histogram.Stats().count, uint64_t{kThreads} * kEach);
  EXPECT_EQ(histogram.Stats().max_us, (kThreads * kEach - 1) / 1e3);
}

}  // namespace
}  // namespace engram::storage
