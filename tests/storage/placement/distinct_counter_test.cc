// Goal: estimates are as good as stated over the whole range, whoever adds.
#include "storage/placement/distinct_counter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <thread>
#include <vector>

#include "tests/storage/placement/placement_testing.h"

namespace engram::storage {
namespace {

using testing::DoubleNear;

void AddRange(DistinctCounter& counter, uint64_t from, uint64_t to, uint64_t seed = 0) {
  for (uint64_t group = from; group < to; ++group) counter.Add(HashOf(group, seed));
}

TEST(DistinctCounterTest, NothingIsZero) {
  DistinctCounter counter;
  EXPECT_EQ(counter.Estimate(), 0);
  AddRange(counter, 0, 1000);
  counter.Clear();
  EXPECT_EQ(counter.Estimate(), 0);
}

TEST(DistinctCounterTest, ErrorsAreAsStatedOverTheWholeRange) {
  constexpr int kSeeds = 40;
  for (const uint64_t distinct : {10u, 100u, 1000u, 5000u, 12'000u, 20'000u, 200'000u}) {
    double sum = 0;
    double squares = 0;
    double stated = 0;
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      DistinctCounter counter;
      AddRange(counter, 0, distinct, seed);
      const double error = counter.Estimate() / static_cast<double>(distinct) - 1;
      sum += error;
      squares += error * error;
      stated = counter.relative_standard_error();
    }
    EXPECT_LT(std::sqrt(squares / kSeeds), 1.3 * stated) << distinct;
    EXPECT_LT(std::abs(sum / kSeeds), 3 * stated / std::sqrt(kSeeds)) << distinct;
  }
}

TEST(DistinctCounterTest, PrecisionSetsTheError) {
  EXPECT_THAT(DistinctCounter(12).relative_standard_error(), DoubleNear(0.01625, 1e-5));
  DistinctCounter coarse(DistinctCounter::kMinPrecision);
  DistinctCounter fine(DistinctCounter::kMaxPrecision);
  AddRange(coarse, 0, 100'000);
  AddRange(fine, 0, 100'000);
  EXPECT_THAT(coarse.Estimate(), DoubleNear(1e5, 3e5 * coarse.relative_standard_error()));
  EXPECT_THAT(fine.Estimate(), DoubleNear(1e5, 3e5 * fine.relative_standard_error()));
}

TEST(DistinctCounterTest, RepeatedHashesCountOnce) {
  DistinctCounter once, often;
  AddRange(once, 0, 3000);
  for (int i = 0; i < 5; ++i) AddRange(often, 0, 3000);
  EXPECT_EQ(once.Estimate(), often.Estimate());
}

TEST(DistinctCounterTest, RanksReachTheLastBit) {
  DistinctCounter counter;
  for (uint64_t i = 0; i < 4096; ++i) counter.Add(i << 52 | 1);  // all registers at 52
  EXPECT_GT(counter.Estimate(), 1e18);
  EXPECT_TRUE(std::isfinite(counter.Estimate()));
  for (uint64_t i = 0; i < 4096; ++i) counter.Add(i << 52);  // no bit is set: 53
  EXPECT_TRUE(std::isinf(counter.Estimate()));
}

TEST(DistinctCounterTest, MergingIsCountingBoth) {
  DistinctCounter a, b, both;
  AddRange(a, 0, 6000);
  AddRange(b, 4000, 9000);
  AddRange(both, 0, 9000);
  a.Merge(b);
  EXPECT_EQ(a.Estimate(), both.Estimate());
}

TEST(DistinctCounterTest, ThreadsLoseNothing) {
  constexpr uint64_t kThreads = 4;
  DistinctCounter counter, expected;
  AddRange(expected, 0, 50'000);
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&counter, i] { AddRange(counter, i * 10'000, i * 10'000 + 20'000); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter.Estimate(), expected.Estimate());
}

TEST(DistinctWindowsTest, TheCurrentAndThePreviousOne) {
  DistinctWindows windows;
  const auto add = [&windows](uint64_t from, uint64_t to) {
    for (uint64_t group = from; group < to; ++group) windows.Add(HashOf(group));
  };
  add(0, 1000);
  windows.Turn();
  add(500, 2000);
  EXPECT_THAT(windows.Previous(), DoubleNear(1000, 50));
  EXPECT_THAT(windows.Current(), DoubleNear(1500, 75));
  EXPECT_THAT(windows.Both(), DoubleNear(2000, 100));
  windows.Turn();
  EXPECT_EQ(windows.Current(), 0);
  EXPECT_THAT(windows.Previous(), DoubleNear(1500, 75));
  windows.Turn();
  EXPECT_EQ(windows.Both(), 0);
}

}  // namespace
}  // namespace engram::storage
