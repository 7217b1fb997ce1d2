#include "storage/fetch/table_version.h"

#include <gtest/gtest.h>

#include <memory>

#include "storage/ram/ram_tiers.h"
#include "tests/storage/cold/cold_testing.h"
#include "tests/storage/fetch/fetch_testing.h"

namespace engram::storage {
namespace {

TEST(TableVersionTest, StatsAddUp) {
  const TableSpec spec = OpaqueSpec(1'000, 264);
  const auto table =
      NewTableVersion(spec, std::make_shared<ColdScript>(), RamTiers(1 << 20).NewCache(spec));
  table->CountFetch(/*groups=*/24, /*ram_hits=*/20, /*warm_hits=*/0, absl::Microseconds(100));
  table->CountFetch(/*groups=*/6, /*ram_hits=*/6, /*warm_hits=*/0, absl::Microseconds(1));
  table->CountError();
  table->CountColdReads({.reads = 3, .bytes_read = 3 * 4096}, /*rows_used=*/4,
                        absl::Microseconds(90));
  const TableStats stats = table->Stats();
  EXPECT_EQ(stats.identity.name, "t");
  EXPECT_EQ(stats.identity.version, 1U);
  EXPECT_TRUE(stats.spec == spec);
  EXPECT_FALSE(stats.published);
  EXPECT_EQ(stats.fetches, 2U);
  EXPECT_EQ(stats.fetch_errors, 1U);
  EXPECT_EQ(stats.groups, 30U);
  EXPECT_EQ(stats.ram.hits, 26U);
  EXPECT_EQ(stats.cold.hits, 4U);
  EXPECT_EQ(stats.cold.rows, 1'000U);
  EXPECT_EQ(stats.cold.bytes, table->cold().disk_bytes());
  EXPECT_EQ(stats.cold.reads, 3U);
  EXPECT_EQ(stats.cold.bytes_read, 12'288U);
  EXPECT_EQ(stats.cold.bytes_used, 4 * 264U);
  EXPECT_EQ(stats.fetch_latency.count, 2U);
  EXPECT_EQ(stats.fetch_latency.max_us, 100);
  EXPECT_EQ(stats.cold.read_latency.count, 1U);
  EXPECT_TRUE(stats.usage.has_value());
}

// Only what fetches that needed the disk take beyond the window is stall.
TEST(TableVersionTest, StallIsCountedBeyondTheWindow) {
  const TableSpec spec = OpaqueSpec(1'000, 264);
  TableInfo info;
  info.spec = spec;
  TableVersion table(info, NewFakeColdTable(spec, std::make_shared<ColdScript>()),
                     RamTiers(1 << 20).NewCache(spec), std::make_shared<CurrentWarmTier>(),
                     absl::Microseconds(250));
  table.MeterTraffic(absl::UnixEpoch());
  table.CountFetch(/*groups=*/3, /*ram_hits=*/3, /*warm_hits=*/0, absl::Microseconds(900));
  table.CountFetch(/*groups=*/3, /*ram_hits=*/2, /*warm_hits=*/0, absl::Microseconds(200));
  table.CountFetch(/*groups=*/3, /*ram_hits=*/1, /*warm_hits=*/1, absl::Microseconds(350));
  table.CountColdReads({.reads = 8}, 8, absl::Microseconds(100));
  table.CountWarmReads({.reads = 1}, 1, absl::Microseconds(100));
  table.MeterTraffic(absl::UnixEpoch() + absl::Seconds(10));
  const PlacementStats stats = table.Stats().placement;
  EXPECT_EQ(stats.window_us, 250);
  EXPECT_EQ(stats.disk_fetches, 2U);
  EXPECT_DOUBLE_EQ(stats.stall_us, 100);
  EXPECT_DOUBLE_EQ(stats.traffic.fetches_per_second, 0.3);
  EXPECT_DOUBLE_EQ(stats.traffic.late_seconds, 50e-6);
  EXPECT_DOUBLE_EQ(stats.traffic.reads_per_miss, 3);
}

}  // namespace
}  // namespace engram::storage
