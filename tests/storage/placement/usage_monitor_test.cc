// Goal: reports tell the properties of the stream that the monitor was fed with, its cost is
// bounded whatever comes, and any number of threads may feed it.
#include "storage/placement/usage_monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "tests/storage/placement/placement_testing.h"

namespace engram::storage {
namespace {

using testing::DoubleNear;
using testing::Each;
using testing::Field;
using testing::IsEmpty;
using testing::SizeIs;

// One use, as the RAM tier tells of it.
void Tell(UseObserver& observer, const GroupKey& group, bool held) {
  if (observer.sampler().Samples(group.hash)) observer.OnSampled(group);
  const uint64_t use = observer.CountUses(1);
  if (observer.NextPick(use) == use) observer.OnPicked(group, held);
}

// A stream of traffic in seconds of the monitor's time.
class Traffic {
 public:
  explicit Traffic(UsageMonitor& monitor) : monitor_(monitor) {}

  void Run(int seconds, int uses_per_second, const std::function<GroupKey()>& next,
           const std::function<bool(const GroupKey&)>& held) {
    for (int second = 0; second < seconds; ++second) {
      for (int i = 0; i < uses_per_second; ++i) {
        const GroupKey group = next();
        Tell(monitor_, group, held(group));
      }
      monitor_.Process(now_ += absl::Seconds(1));
    }
  }

 private:
  UsageMonitor& monitor_;
  absl::Time now_ = absl::UnixEpoch();
};

bool Never(const GroupKey& /*group*/) { return false; }

TEST(UsageMonitorTest, ReportsNothingAtFirst) {
  UsageMonitor monitor({.orders = {2, 3}, .cache_groups = 1000});
  EXPECT_EQ(monitor.Report().uses, 0u);
  monitor.Process(absl::UnixEpoch());
  const UsageStats report = monitor.Report();
  EXPECT_THAT(report.hit_ratios, IsEmpty());
  EXPECT_THAT(report.orders, SizeIs(2));
  EXPECT_THAT(report.orders, Each(Field(&OrderUsage::exponent_error, 0)));
}

TEST(UsageMonitorTest, TellsOrdersApart) {
  // Of order 2 there are 2000 groups with exponent 1, half of them held; of order 4 there are
  // 200,000 groups, all with the same probability, none of them held.
  UsageMonitor monitor({.orders = {2, 4}, .cache_groups = 20'000, .bytes_per_group = 2200});
  Traffic traffic(monitor);
  const Zipf zipf(1, 2000);
  Random random(1);
  const auto next = [&]() -> GroupKey {
    if (random.OneIn(2)) return {.hash = HashOf(zipf.Next(random)), .order = 0};
    return {.hash = HashOf(random.Below(200'000), 7), .order = 1};
  };
  traffic.Run(61, 20'000, next,
              [](const GroupKey& group) { return group.order == 0 && group.hash % 2 == 0; });

  const UsageStats report = monitor.Report();
  EXPECT_EQ(report.uses, 1'220'000u);
  EXPECT_EQ(report.bytes_per_group, 2200);
  ASSERT_THAT(report.orders, SizeIs(2));
  const OrderUsage& zipfian = report.orders[0];
  EXPECT_EQ(zipfian.order, 2u);
  EXPECT_THAT(zipfian.uses, DoubleNear(610'000.0 / 16, 1500));
  EXPECT_THAT(zipfian.exponent, DoubleNear(1, 4 * zipfian.exponent_error + 0.01));
  EXPECT_GT(zipfian.exponent_error, 0);
  EXPECT_THAT(zipfian.distinct, DoubleNear(2000, 4 * zipfian.distinct_error));
  EXPECT_LT(zipfian.distinct_error, 300);
  const OrderUsage& uniform = report.orders[1];
  EXPECT_EQ(uniform.order, 4u);
  EXPECT_THAT(uniform.distinct, DoubleNear(190'500, 4 * uniform.distinct_error));
  EXPECT_LT(uniform.distinct_error, 8000);
  EXPECT_EQ(uniform.hit_ratio, 0);
  EXPECT_EQ(uniform.exponent_error, 0);
}

TEST(UsageMonitorTest, HitRatiosByOrderAreThoseOfThePickedUses) {
  UsageMonitor monitor({.orders = {2, 3}});
  Traffic traffic(monitor);
  Random random(1);
  traffic.Run(
      20, 10'000, [&]() -> GroupKey { return {.hash = random.Next(), .order = random.Below(2)}; },
      [&](const GroupKey& group) { return random.NextShare() < (group.order == 0 ? 0.9 : 0.3); });
  const UsageStats report = monitor.Report();
  EXPECT_THAT(report.orders[0].hit_ratio, DoubleNear(0.9, 0.02));
  EXPECT_THAT(report.orders[1].hit_ratio, DoubleNear(0.3, 0.03));
}

TEST(UsageMonitorTest, PredictsHitRatiosOfOtherSizes) {
  const Zipf zipf(0.9, 100'000);
  Random random(1);
  UsageMonitor monitor({.cache_groups = 16'000});
  Traffic traffic(monitor);
  MiniatureCache cache(4000, {});
  double hits = 0;
  traffic.Run(
      100, 4000, [&]() -> GroupKey { return {.hash = HashOf(zipf.Next(random))}; },
      [&](const GroupKey& group) {
        const bool held = cache.Use(group);
        hits += held ? 1 : 0;
        return held;
      });
  const UsageStats report = monitor.Report();
  EXPECT_EQ(report.lost_uses, 0u);
  EXPECT_THAT(InterpolateHitRatio(report.hit_ratios, 4000), DoubleNear(hits / 400'000, 0.03));
}

TEST(UsageMonitorTest, MeasuresDriftBetweenWindows) {
  UsageMonitor monitor({.window = absl::Seconds(20), .least_window_uses = 1000});
  Traffic traffic(monitor);
  const Zipf zipf(1, 5000);
  Random random(1);
  uint64_t seed = 0;
  const auto next = [&]() -> GroupKey { return {.hash = HashOf(zipf.Next(random), seed)}; };
  traffic.Run(22, 20'000, next, Never);
  EXPECT_EQ(monitor.Report().orders[0].drift_coverage, 0);
  traffic.Run(20, 20'000, next, Never);
  EXPECT_GT(monitor.Report().orders[0].drift_coverage, 0.3);
  EXPECT_LT(monitor.Report().orders[0].drift, 0.05);
  seed = 1;
  traffic.Run(20, 20'000, next, Never);
  EXPECT_GT(monitor.Report().orders[0].drift, 0.9);
  EXPECT_THAT(monitor.Report().window_seconds, DoubleNear(20, 2));
}

TEST(UsageMonitorTest, AWindowWaitsForUses) {
  UsageMonitor monitor({.window = absl::Seconds(5), .least_window_uses = 1000});
  Traffic traffic(monitor);
  Random random(1);
  traffic.Run(
      60, 20, [&]() -> GroupKey { return {.hash = random.Next()}; }, Never);
  EXPECT_THAT(monitor.Report().window_seconds, DoubleNear(60, 11));
}

TEST(UsageMonitorTest, TooMuchTrafficLowersTheRates) {
  constexpr uint64_t kCacheGroups = 100'000;
  UsageMonitor monitor({.cache_groups = kCacheGroups});
  const double rate_before = monitor.sampler().rate();
  Traffic traffic(monitor);
  Random random(1);
  const auto next = [&]() -> GroupKey { return {.hash = HashOf(random.Below(200'000))}; };
  traffic.Run(2, 250'000, next, Never);
  EXPECT_GT(monitor.thinning(), 4);
  EXPECT_LT(monitor.sampler().rate(), rate_before / 2);
  EXPECT_GE(monitor.sampler().rate() * kCacheGroups, 1000);
  EXPECT_GT(monitor.Report().lost_uses, 0u);
  // The counts start again, and do not mind what is lost.
  traffic.Run(9, 250'000, next, Never);
  const OrderUsage usage = monitor.Report().orders[0];
  EXPECT_THAT(usage.distinct, DoubleNear(200'000, 4 * usage.distinct_error));
  // The more is simulated at once, the longer is what follows left out.
  const uint64_t simulated = monitor.Report().sampled_uses;
  traffic.Run(20, 250'000, next, Never);
  EXPECT_LT(static_cast<double>(monitor.Report().sampled_uses - simulated),
            40 * UsageMonitor::kSampledPerSecond);
}

TEST(UsageMonitorTest, OrdersFromTheEighthOnAreCountedTogether) {
  UsageMonitor monitor({.orders = std::vector<uint32_t>(20, 2)});
  Traffic traffic(monitor);
  Random random(1);
  traffic.Run(
      1, 10'000, [&]() -> GroupKey { return {.hash = random.Next(), .order = random.Below(20)}; },
      Never);
  const UsageStats report = monitor.Report();
  ASSERT_THAT(report.orders, SizeIs(8));
  EXPECT_GT(report.orders[7].uses, 5 * report.orders[0].uses);
}

TEST(UsageMonitorTest, ManyThreadsFeedIt) {
  UsageMonitor monitor({.orders = {2, 3}, .window = absl::Seconds(3), .least_window_uses = 100});
  std::atomic<int> running{3};
  std::vector<std::thread> threads;
  for (uint64_t seed = 0; seed < 3; ++seed) {
    threads.emplace_back([&monitor, &running, seed] {
      const Zipf zipf(1, 1000);
      Random random(seed);
      for (int i = 0; i < 50'000; ++i) {
        Tell(monitor, {.hash = HashOf(zipf.Next(random)), .order = random.Below(2)}, i % 2 == 0);
      }
      running.fetch_sub(1);
    });
  }
  absl::Time now = absl::UnixEpoch();
  while (running.load() > 0) {
    monitor.Process(now += absl::Seconds(1));
    EXPECT_LE(monitor.Report().uses, 150'000u);
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < 20; ++i) monitor.Process(now += absl::Seconds(1));
  EXPECT_EQ(monitor.Report().uses, 150'000u);
}

}  // namespace
}  // namespace engram::storage
