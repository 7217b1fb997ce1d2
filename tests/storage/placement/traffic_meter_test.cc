// Goal: rates and ratios are those of the latest minutes.
#include "storage/placement/traffic_meter.h"

#include <gtest/gtest.h>

namespace engram::storage {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'000'000);

// So many fetches of 3 groups more, one in four of which needed the disk for one of them, with 5
// reads, and was 2 ms late.
void Fetch(TrafficCounters* counters, uint64_t fetches) {
  counters->fetches += fetches;
  counters->disk_fetches += fetches / 4;
  counters->groups += 3 * fetches;
  counters->ram_hits += 3 * fetches - fetches / 4;
  counters->reads += 5 * (fetches / 4);
  counters->stall_seconds += 2e-3 * static_cast<double>(fetches / 4);
}

TEST(TrafficMeterTest, MakesRatesOfCounters) {
  TrafficMeter meter;
  TrafficCounters counters;
  Fetch(&counters, 1'000'000);  // before it began
  meter.Update(counters, kStart);
  EXPECT_EQ(meter.Traffic().fetches_per_second, 0);
  for (int second = 1; second <= 10; ++second) {
    Fetch(&counters, 400);
    meter.Update(counters, kStart + absl::Seconds(second));
  }
  const TableTraffic traffic = meter.Traffic();
  EXPECT_NEAR(traffic.fetches_per_second, 400, 1e-6);
  EXPECT_NEAR(traffic.groups_per_fetch, 3, 1e-9);
  EXPECT_NEAR(traffic.hit_ratio, 11.0 / 12, 1e-9);
  EXPECT_NEAR(traffic.disk_share, 0.25, 1e-9);
  EXPECT_NEAR(traffic.late_seconds, 2e-3, 1e-9);
  EXPECT_NEAR(traffic.reads_per_miss, 5, 1e-9);
}

TEST(TrafficMeterTest, ForgetsByHalves) {
  TrafficMeter meter(absl::Minutes(5));
  TrafficCounters counters;
  meter.Update(counters, kStart);
  Fetch(&counters, 300 * 100);
  meter.Update(counters, kStart + absl::Minutes(5));
  EXPECT_NEAR(meter.Traffic().fetches_per_second, 100, 1e-6);
  meter.Update(counters, kStart + absl::Minutes(10));  // nothing came
  EXPECT_NEAR(meter.Traffic().fetches_per_second, 100 * 0.5 / 1.5, 1e-6);
  EXPECT_NEAR(meter.Traffic().hit_ratio, 11.0 / 12, 1e-9);
  meter.Update(counters, kStart + absl::Hours(10));
  EXPECT_NEAR(meter.Traffic().fetches_per_second, 0, 1e-6);
}

TEST(TrafficMeterTest, NoTimeNoChange) {
  TrafficMeter meter;
  TrafficCounters counters;
  meter.Update(counters, kStart);
  Fetch(&counters, 400);
  meter.Update(counters, kStart);
  EXPECT_EQ(meter.Traffic().fetches_per_second, 0);
  meter.Update(counters, kStart + absl::Seconds(4));
  EXPECT_NEAR(meter.Traffic().fetches_per_second, 100, 1e-9);
}

}  // namespace
}  // namespace engram::storage
