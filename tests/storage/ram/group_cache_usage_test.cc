// Goal: the cache tells its monitor of every lookup, and of hits as hits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "absl/time/time.h"
#include "storage/placement/usage_monitor.h"
#include "storage/ram/ram_tiers.h"
#include "tests/storage/ram/ram_testing.h"

namespace engram::storage {
namespace {

using testing::DoubleNear;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

TEST(GroupCacheUsageTest, LookupsAreUsesAndHitsAreHits) {
  TableSpec spec = MakeSpec(1'000'000, 16, 4);
  spec.orders = {2, 3};
  const auto cache = RamTiers(1 << 20).NewCache(spec);
  ASSERT_NE(cache->usage(), nullptr);
  const std::vector<uint64_t> held = Range(0, 3000);
  const std::vector<uint64_t> missing = Range(10'000, 1000);
  EXPECT_EQ(LookUpGroups(*cache, spec, held), 0u);  // before there is a cache at all
  AdmitGroups(*cache, spec, held);
  cache->usage()->Process(absl::UnixEpoch());
  for (int times = 0; times < 9; ++times) {
    EXPECT_EQ(LookUpGroups(*cache, spec, held), held.size());
    EXPECT_EQ(LookUpGroups(*cache, spec, missing), 0u);
  }
  cache->usage()->Process(absl::UnixEpoch() + absl::Seconds(11));

  const UsageStats usage = cache->usage()->Report();
  EXPECT_EQ(usage.uses, 3000u + 9 * 4000);
  EXPECT_GT(usage.bytes_per_group, 4 * 16 + 4 * sizeof(RowId));
  ASSERT_THAT(usage.orders, SizeIs(2));
  EXPECT_THAT(usage.orders[0].uses + usage.orders[1].uses, DoubleNear(39'000.0 / 16, 2));
  const double hits = usage.orders[0].hit_ratio * usage.orders[0].uses +
                      usage.orders[1].hit_ratio * usage.orders[1].uses;
  EXPECT_THAT(hits, DoubleNear(27'000.0 / 16, 80));
  EXPECT_THAT(usage.orders[0].distinct + usage.orders[1].distinct, DoubleNear(4000, 800));
  EXPECT_GT(usage.sampled_uses, 1000u);
  EXPECT_THAT(usage.hit_ratios, Not(IsEmpty()));
}

// As the store reads it for its first place only.
TEST(GroupCacheUsageTest, AGroupThatALookupRepeatsIsHeldTheSecondTime) {
  const TableSpec spec = MakeSpec(100'000, 16, 4);
  const auto cache = RamTiers(0).NewCache(spec);
  std::vector<uint64_t> groups = Range(0, 1600);
  const std::vector<uint64_t> again = groups;
  groups.insert(groups.end(), again.begin(), again.end());
  LookUpGroups(*cache, spec, groups);
  cache->usage()->Process(absl::UnixEpoch());
  EXPECT_EQ(cache->usage()->Report().orders[0].uses, 200);
  EXPECT_EQ(cache->usage()->Report().orders[0].hit_ratio, 0.5);
}

TEST(GroupCacheUsageTest, WithoutABudgetUsesAreStillSeen) {
  const TableSpec spec = MakeSpec(100'000, 16, 4);
  const auto cache = RamTiers(0).NewCache(spec);
  EXPECT_EQ(LookUpGroups(*cache, spec, Range(0, 1600)), 0u);
  cache->usage()->Process(absl::UnixEpoch());
  EXPECT_EQ(cache->usage()->Report().uses, 1600u);
  EXPECT_EQ(cache->usage()->Report().orders[0].uses, 100);
}

TEST(GroupCacheUsageTest, ACacheWithoutAMonitorHasNone) {
  EXPECT_EQ(MakeCache(MakeSpec(1000, 16, 4), 1 << 20)->usage(), nullptr);
}

}  // namespace
}  // namespace engram::storage
