// Goal: a cache serves what it was given, keeps to its budget, and lets nobody see a slot change.
#include "storage/ram/group_cache.h"

#include <gtest/gtest.h>

#include <utility>

#include "storage/ram/ram_tiers.h"
#include "tests/storage/ram/ram_testing.h"

namespace engram::storage {
namespace {

constexpr uint64_t kBudget = 256 << 10;
constexpr uint64_t kManyRows = 4'000'000'000;

TEST(GroupCacheTest, ServesWhatItWasGiven) {
  const TableSpec spec = MakeSpec(kManyRows, 264, 8);
  const auto cache = MakeCache(spec, kBudget);
  EXPECT_EQ(LookUpGroups(*cache, spec, Range(0, 20)), 0u);
  AdmitGroups(*cache, spec, Range(0, 20));
  EXPECT_EQ(LookUpGroups(*cache, spec, Range(0, 20)), 20u);
  EXPECT_EQ(LookUpGroups(*cache, spec, Range(10, 20)), 10u);
  EXPECT_EQ(LookUpGroups(*cache, spec, {}), 0u);
  const RamTierStats stats = cache->Stats();
  EXPECT_EQ(stats.rows, 160u);
  EXPECT_EQ(stats.admissions, 20u);
  EXPECT_EQ(stats.evictions, 0u);
  EXPECT_EQ(stats.skipped, 0u);
}

TEST(GroupCacheTest, AnyShape) {
  for (const uint32_t group_size : {1u, 8u, 16u, 64u}) {
    for (const uint32_t row_bytes : {1u, 3u, 63u, 64u, 65u, 320u, 4096u}) {
      SCOPED_TRACE(testing::Message() << group_size << " x " << row_bytes);
      const TableSpec spec = MakeSpec(kManyRows, row_bytes, group_size);
      const auto cache = MakeCache(spec, 8 << 20);
      AdmitGroups(*cache, spec, Range(0, 10));
      AdmitGroups(*cache, spec, Range(5, 10));
      EXPECT_EQ(LookUpGroups(*cache, spec, Range(0, 15)), 15u);
      EXPECT_EQ(LookUpGroups(*cache, spec, Range(8, 40)), 7u);
      EXPECT_EQ(cache->Stats().admissions, 15u);
    }
  }
}

TEST(GroupCacheTest, AdmitsOnlyTheGroupsNamed) {
  const TableSpec spec = MakeSpec(kManyRows, 32, 4);
  const auto cache = MakeCache(spec, kBudget);
  const std::vector<RowId> ids = GroupIds(spec, Range(0, 6));
  cache->Admit(ids, MakeRows(spec, ids).data(), {1, 4});
  std::vector<std::byte> rows(ids.size() * 32);
  std::vector<uint32_t> misses = {77};
  cache->Lookup(ids, rows.data(), &misses);
  EXPECT_EQ(misses, (std::vector<uint32_t>{77, 0, 2, 3, 5}));
}

TEST(GroupCacheTest, DuplicatesAreHeldOnceAndServedEverywhere) {
  const TableSpec spec = MakeSpec(kManyRows, 32, 4);
  const auto cache = MakeCache(spec, kBudget);
  const std::vector<uint64_t> groups = {7, 7, 9, 7, 9, 7};
  AdmitGroups(*cache, spec, groups);
  AdmitGroups(*cache, spec, groups);
  EXPECT_EQ(cache->Stats().admissions, 2u);
  EXPECT_EQ(cache->Stats().rows, 8u);
  EXPECT_EQ(LookUpGroups(*cache, spec, groups), groups.size());
}

TEST(GroupCacheTest, TheOrderOfIdsBelongsToTheName) {
  const TableSpec spec = MakeSpec(1000, 16, 2);
  const auto cache = MakeCache(spec, kBudget);
  const std::vector<RowId> ids = {1, 2, 2, 1};
  cache->Admit(ids, MakeRows(spec, ids).data(), {0});
  std::vector<std::byte> rows(4 * 16);
  std::vector<uint32_t> misses;
  cache->Lookup(ids, rows.data(), &misses);
  EXPECT_EQ(misses, std::vector<uint32_t>{1});
}

TEST(GroupCacheTest, EvictsToStayWithinItsBudget) {
  const TableSpec spec = MakeSpec(kManyRows, 264, 8);
  auto budget = std::make_shared<ByteBudget>(kBudget);
  const auto cache = MakeCache(spec, std::make_shared<RamShares>(budget));
  for (uint64_t first = 0; first < 2000; first += 10) {
    AdmitGroups(*cache, spec, Range(first, 10));
    EXPECT_GT(LookUpGroups(*cache, spec, Range(first, 10)), 0u);
    EXPECT_LE(budget->used_bytes(), kBudget);
    EXPECT_EQ(cache->Stats().bytes, budget->used_bytes());
  }
  const RamTierStats stats = cache->Stats();
  EXPECT_EQ(stats.admissions, 2000u);
  EXPECT_EQ(stats.evictions, 2000 - stats.rows / 8);
  EXPECT_GT(stats.rows * 264, kBudget * 8 / 10);
  EXPECT_EQ(stats.skipped, 0u);
}

TEST(GroupCacheTest, KeepsWhatIsUsed) {
  const TableSpec spec = MakeSpec(kManyRows, 264, 8);
  const auto cache = MakeCache(spec, kBudget);
  const std::vector<uint64_t> hot = Range(0, 30);
  AdmitGroups(*cache, spec, hot);
  for (uint64_t first = 1000; first < 3000; first += 20) {
    EXPECT_EQ(LookUpGroups(*cache, spec, hot), hot.size()) << first;
    AdmitGroups(*cache, spec, Range(first, 20));
  }
}

TEST(GroupCacheTest, HoldsNoMoreGroupsThanTheTableHasRows) {
  const TableSpec spec = MakeSpec(50, 16, 2);
  const auto cache = MakeCache(spec, 1 << 20);
  for (int i = 0; i < 20; ++i) AdmitGroups(*cache, spec, Range(0, 50));
  for (RowId first = 0; first < 50; ++first) {
    std::vector<RowId> ids;
    for (RowId second = 0; second < 50; ++second) ids.insert(ids.end(), {first, second});
    std::vector<uint32_t> groups(50);
    for (uint32_t i = 0; i < 50; ++i) groups[i] = i;
    cache->Admit(ids, MakeRows(spec, ids).data(), groups);
  }
  EXPECT_LE(cache->Stats().rows, 100u);
  EXPECT_GE(cache->Stats().rows, 90u);
}

TEST(GroupCacheTest, WithoutRoomForAGroupItHoldsNothing) {
  const TableSpec spec = MakeSpec(kManyRows, 264, 8);
  for (const uint64_t budget_bytes : {0, 1, 2000, 4096}) {
    auto budget = std::make_shared<ByteBudget>(budget_bytes);
    const auto cache = MakeCache(spec, std::make_shared<RamShares>(budget));
    AdmitGroups(*cache, spec, Range(0, 20));
    EXPECT_EQ(LookUpGroups(*cache, spec, Range(0, 20)), 0u);
    EXPECT_EQ(cache->Stats().rows, 0u);
    EXPECT_LE(budget->used_bytes(), budget_bytes);
  }
}

TEST(GroupCacheTest, ReturnsItsMemoryWhenDestroyed) {
  const TableSpec spec = MakeSpec(kManyRows, 264, 8);
  auto budget = std::make_shared<ByteBudget>(kBudget);
  auto cache = MakeCache(spec, std::make_shared<RamShares>(budget));
  AdmitGroups(*cache, spec, Range(0, 50));
  EXPECT_GT(budget->used_bytes(), 50 * spec.group_bytes());
  cache.reset();
  EXPECT_EQ(budget->used_bytes(), 0u);
}

// All memory beside rows: ids, index, policy state, rounding. The limits hold with the policy that
// the store uses, whose state is the larger part of them.
TEST(GroupCacheTest, MetadataIsAFewPercentOfRows) {
  const std::pair<uint32_t, double> limits[] = {{264, 1.03}, {160, 1.045}};
  for (const auto& [row_bytes, limit] : limits) {
    const TableSpec spec = MakeSpec(kManyRows, row_bytes, 8);
    RamTiers tiers(24 << 20);
    const auto cache = tiers.NewCache(spec);
    for (uint64_t first = 0; first < 30'000; first += 500) {
      AdmitGroups(*cache, spec, Range(first, 500));
    }
    const RamTierStats stats = cache->Stats();
    ASSERT_GT(stats.evictions, 0u);
    EXPECT_LT(static_cast<double>(stats.bytes),
              limit * static_cast<double>(stats.rows * row_bytes));
  }
}

// Few bits of hash: tags and buckets collide all the time, and only the ids tell groups apart.
TEST(GroupCacheTest, CollidingHashesNeverGiveWrongRows) {
  const TableSpec spec = MakeSpec(kManyRows, 40, 8);
  const uint64_t masks[] = {0, 1, 0x0000000180000000, 0x8000000180000000, 0xF000000000000000};
  for (const uint64_t mask : masks) {
    const auto cache = MakeCache(spec, kBudget, {.hash_mask = mask});
    for (uint64_t round = 0; round < 20; ++round) {
      const std::vector<uint64_t> groups = Range(round * 7, 16);
      AdmitGroups(*cache, spec, groups);
      EXPECT_GT(LookUpGroups(*cache, spec, groups), 0u) << mask;
      LookUpGroups(*cache, spec, Range(0, 200));
    }
  }
}

TEST(GroupCacheTest, NewcomersAreSkippedWhileReadersHoldEverySlot) {
  const TableSpec spec = MakeSpec(kManyRows, 264, 8);
  const auto cache = MakeCache(spec, kBudget);
  for (uint64_t first = 0; first < 400; first += 10) AdmitGroups(*cache, spec, Range(first, 10));
  EXPECT_EQ(cache->Stats().skipped, 0u);
  const uint64_t full = cache->Stats().rows / 8;
  {
    const ReaderEpochs::Guard reader = cache->PinMemory();
    for (uint64_t first = 1000; first < 1100; first += 10) {
      AdmitGroups(*cache, spec, Range(first, 10));
    }
    const RamTierStats stalled = cache->Stats();
    EXPECT_GT(stalled.skipped, 80u);
    EXPECT_GT(stalled.rows / 8, full * 3 / 4);  // it does not empty itself, either
  }
  AdmitGroups(*cache, spec, Range(2000, 10));
  EXPECT_EQ(LookUpGroups(*cache, spec, Range(2000, 10)), 10u);
}

}  // namespace
}  // namespace engram::storage
