// Goal: tables share one budget fairly, and give memory up to each other without disturbance.
#include "storage/ram/ram_tiers.h"

#include <gtest/gtest.h>

#include "absl/status/status.h"
#include "tests/storage/ram/ram_testing.h"

namespace engram::storage {
namespace {

constexpr uint64_t kBudget = 2 << 20;

TableSpec Spec() { return MakeSpec(1'000'000, 264, 8); }

// Admits ever new groups, in batches; returns the number of the group after the last one.
uint64_t AdmitNewGroups(RamTier& tier, const TableSpec& spec, uint64_t first, int batches) {
  for (int i = 0; i < batches; ++i, first += 20) AdmitGroups(tier, spec, Range(first, 20));
  return first;
}

TEST(RamTiersTest, AloneATableGetsTheWholeBudget) {
  RamTiers tiers(kBudget);
  EXPECT_EQ(tiers.budget_bytes(), kBudget);
  const auto cache = tiers.NewCache(Spec());
  EXPECT_EQ(tiers.used_bytes(), 0u);
  AdmitNewGroups(*cache, Spec(), 0, 100);
  EXPECT_LE(tiers.used_bytes(), kBudget);
  EXPECT_GT(tiers.used_bytes(), kBudget * 95 / 100);
}

TEST(RamTiersTest, ASecondTableGetsItsShareFromTheFirst) {
  RamTiers tiers(kBudget);
  const TableSpec spec = Spec();
  const auto first = tiers.NewCache(spec);
  const uint64_t end = AdmitNewGroups(*first, spec, 0, 100);
  const auto second = tiers.NewCache(spec);
  AdmitNewGroups(*second, spec, 0, 200);
  EXPECT_NEAR(static_cast<double>(second->Stats().bytes), kBudget / 2.0, kBudget / 20.0);
  EXPECT_NEAR(static_cast<double>(first->Stats().bytes), kBudget / 2.0, kBudget / 20.0);
  EXPECT_LE(tiers.used_bytes(), kBudget);
  // Both go on working, and memory stays where it is.
  const uint64_t held = second->Stats().bytes;
  AdmitNewGroups(*first, spec, end, 100);
  EXPECT_EQ(second->Stats().bytes, held);
  EXPECT_EQ(LookUpGroups(*first, spec, Range(0, end + 2000)) * 8, first->Stats().rows);
  EXPECT_EQ(LookUpGroups(*second, spec, Range(0, 4000)) * 8, second->Stats().rows);
}

TEST(RamTiersTest, LargerTablesGetMore) {
  RamTiers tiers(kBudget);
  const TableSpec spec = Spec();
  const TableSpec large_spec = MakeSpec(3'000'000, 264, 8);
  const auto cache = tiers.NewCache(spec);
  const auto large = tiers.NewCache(large_spec);
  AdmitNewGroups(*cache, spec, 0, 100);
  AdmitNewGroups(*large, large_spec, 0, 200);
  EXPECT_NEAR(static_cast<double>(large->Stats().bytes), kBudget * 0.75, kBudget / 20.0);
}

TEST(RamTiersTest, AReaderDelaysTheHandOverButNotTheWriters) {
  auto shares = std::make_shared<RamShares>(std::make_shared<ByteBudget>(kBudget));
  const TableSpec spec = Spec();
  const auto first = MakeCache(spec, shares);
  AdmitNewGroups(*first, spec, 0, 100);
  const auto second = MakeCache(spec, shares);
  {
    const ReaderEpochs::Guard reader = first->PinMemory();
    AdmitNewGroups(*second, spec, 0, 20);
    EXPECT_EQ(second->Stats().rows, 0u);
    EXPECT_GT(second->Stats().skipped, 0u);
    AdmitNewGroups(*first, spec, 5000, 20);
    EXPECT_EQ(LookUpGroups(*first, spec, Range(0, 6000)) * 8, first->Stats().rows);
  }
  AdmitNewGroups(*second, spec, 0, 20);
  EXPECT_GT(second->Stats().rows, 0u);
}

TEST(RamTiersTest, ADroppedTableLeavesItsMemoryToOthers) {
  RamTiers tiers(kBudget);
  const TableSpec spec = Spec();
  const auto first = tiers.NewCache(spec);
  auto second = tiers.NewCache(spec);
  AdmitNewGroups(*second, spec, 0, 100);
  const uint64_t end = AdmitNewGroups(*first, spec, 0, 100);
  second.reset();
  AdmitNewGroups(*first, spec, end, 100);
  EXPECT_GT(first->Stats().bytes, kBudget * 9 / 10);
}

TEST(RamTiersTest, WholeTablesTakeTheirMemoryAtOnce) {
  RamTiers tiers(kBudget);
  const TableSpec whole_spec = MakeSpec(1000, 264, 8);
  auto whole = tiers.NewWholeTable(whole_spec);
  ASSERT_TRUE(whole.ok());
  const uint64_t whole_bytes = tiers.used_bytes();
  EXPECT_GE(whole_bytes, whole_spec.table_bytes());
  const auto cache = tiers.NewCache(Spec());
  AdmitNewGroups(*cache, Spec(), 0, 100);
  EXPECT_LE(tiers.used_bytes(), kBudget);
  EXPECT_GT(cache->Stats().bytes, (kBudget - whole_bytes) * 9 / 10);
  EXPECT_EQ(tiers.NewWholeTable(whole_spec).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(RamTiersTest, ZeroBudgetHoldsNothing) {
  RamTiers tiers(0);
  const auto cache = tiers.NewCache(Spec());
  AdmitNewGroups(*cache, Spec(), 0, 3);
  EXPECT_EQ(LookUpGroups(*cache, Spec(), Range(0, 60)), 0u);
  EXPECT_EQ(cache->Stats().bytes, 0u);
  EXPECT_FALSE(tiers.NewWholeTable(Spec()).ok());
}

TEST(RamTiersTest, TiersMayOutliveIt) {
  std::unique_ptr<RamTier> cache;
  {
    RamTiers tiers(kBudget);
    cache = tiers.NewCache(Spec());
  }
  AdmitNewGroups(*cache, Spec(), 0, 3);
  EXPECT_EQ(LookUpGroups(*cache, Spec(), Range(0, 60)), 60u);
}

}  // namespace
}  // namespace engram::storage
