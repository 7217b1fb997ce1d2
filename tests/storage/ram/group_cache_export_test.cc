// Goal: what a cache holds, and what it knows of it, another cache takes over.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "storage/placement/lower_tier.h"
#include "storage/placement/reuse_policy.h"
#include "storage/ram/group_cache.h"
#include "tests/storage/ram/ram_testing.h"

namespace engram::storage {
namespace {

constexpr uint64_t kBudget = 256 << 10;
const TableSpec kSpec = MakeSpec(4'000'000'000, 264, 8);

KnownGroups ExportAll(RamTier& tier) {
  KnownGroups groups;
  tier.Export(tier.SlotsByWorth(), &groups);
  return groups;
}

RestoreCounts RestoreAll(RamTier& tier, const KnownGroups& groups, RestoreRoom room) {
  return tier.Restore(groups.row_ids, MakeRows(kSpec, groups.row_ids).data(), groups.pasts, room);
}

KnownGroups Used(uint64_t first, size_t count, const GroupPast& past) {
  return {.row_ids = GroupIds(kSpec, Range(first, count)),
          .pasts = std::vector<GroupPast>(count, past)};
}

TEST(GroupCacheExportTest, AnEmptyCacheExportsNothing) {
  const auto cache = MakeCache(kSpec, kBudget);
  EXPECT_EQ(ExportAll(*cache).size(), 0U);
  AdmitGroups(*cache, kSpec, Range(0, 3));
  EXPECT_EQ(ExportAll(*cache).size(), 3U);
}

TEST(GroupCacheExportTest, AnotherCacheTakesOver) {
  const auto cache = MakeCache(kSpec, kBudget);
  AdmitGroups(*cache, kSpec, Range(0, 60));
  for (int uses = 0; uses < 20; ++uses) LookUpGroups(*cache, kSpec, Range(40, 20));
  const KnownGroups exported = ExportAll(*cache);
  ASSERT_EQ(exported.size(), 60U);
  // The popular ones come first.
  const std::vector<RowId> popular = GroupIds(kSpec, Range(40, 20));
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(exported.pasts[i].uses, 21);
    EXPECT_NE(std::search(popular.begin(), popular.end(), exported.row_ids.begin() + i * 8,
                          exported.row_ids.begin() + (i + 1) * 8),
              popular.end());
  }
  const auto heir = MakeCache(kSpec, kBudget);
  EXPECT_TRUE(heir->Teach(cache->Knowledge()));
  const RestoreCounts counts = RestoreAll(*heir, exported, RestoreRoom::kNone);
  EXPECT_EQ(counts.admitted, 60U);
  EXPECT_EQ(counts.refused, 0U);
  const KnownGroups again = ExportAll(*heir);
  EXPECT_EQ(again.row_ids.size(), exported.row_ids.size());
  EXPECT_EQ(again.pasts, exported.pasts);
  EXPECT_EQ(LookUpGroups(*heir, kSpec, Range(0, 60)), 60U);
}

TEST(GroupCacheExportTest, RowsAreExportedBesideTheirIds) {
  const auto cache = MakeCache(kSpec, kBudget);
  AdmitGroups(*cache, kSpec, Range(0, 60));
  const std::vector<SlotId> slots = cache->SlotsByWorth();
  KnownGroups groups;
  std::vector<std::byte> rows;
  for (size_t begin = 0; begin < slots.size(); begin += 7) {
    cache->ExportWithRows(absl::MakeConstSpan(slots).subspan(begin, 7), &groups, &rows);
  }
  const KnownGroups expected = ExportAll(*cache);
  EXPECT_EQ(groups.row_ids, expected.row_ids);
  EXPECT_EQ(groups.pasts, expected.pasts);
  EXPECT_EQ(rows, MakeRows(kSpec, groups.row_ids));
}

TEST(GroupCacheExportTest, KnowledgeOfAnotherKindIsRefused) {
  const auto cache = MakeCache(kSpec, kBudget);
  std::vector<float> knowledge = cache->Knowledge();
  EXPECT_TRUE(cache->Teach(knowledge));
  EXPECT_FALSE(cache->Teach({}));
  for (const float odd :
       {-1.0F, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    knowledge[3] = odd;
    EXPECT_FALSE(cache->Teach(knowledge));
  }
}

TEST(GroupCacheExportTest, WithoutLeaveNoGroupHasToGo) {
  const auto cache = MakeCache(kSpec, kBudget);
  AdmitGroups(*cache, kSpec, Range(0, 500));
  const size_t held = ExportAll(*cache).size();
  ASSERT_LT(held, 500U);
  const RestoreCounts counts =
      RestoreAll(*cache, Used(1000, 50, {.uses = 255}), RestoreRoom::kNone);
  EXPECT_EQ(counts.admitted, 0U);
  EXPECT_EQ(counts.refused, 50U);
  EXPECT_EQ(ExportAll(*cache).size(), held);
}

TEST(GroupCacheExportTest, GroupsThatAreHeldStayAsTheyAre) {
  const auto cache = MakeCache(kSpec, kBudget);
  AdmitGroups(*cache, kSpec, Range(0, 10));
  const RestoreCounts counts =
      RestoreAll(*cache, Used(5, 10, {.age = 9, .uses = 7}), RestoreRoom::kWorth);
  EXPECT_EQ(counts.held, 5U);
  EXPECT_EQ(counts.admitted, 5U);
  const KnownGroups groups = ExportAll(*cache);
  EXPECT_EQ(std::count_if(groups.pasts.begin(), groups.pasts.end(),
                          [](const GroupPast& past) { return past.uses == 7; }),
            5);
}

// Told of what comes and goes.
class Ledger : public LowerTier {
 public:
  void OnEnter(const GroupKey& /*group*/, uint8_t told_uses) override { told.push_back(told_uses); }
  void OnLeave(const GroupKey& /*group*/, uint8_t uses, const RowId* /*ids*/,
               const std::byte* /*rows*/) override {
    left.push_back(uses);
  }

  std::vector<int> told;
  std::vector<int> left;
};

TEST(GroupCacheExportTest, WorthierGroupsEvictAndOthersGoDown) {
  Ledger ledger;
  auto shares = std::make_shared<RamShares>(std::make_shared<ByteBudget>(kBudget));
  GroupCache cache(kSpec, shares, std::make_unique<ReusePolicy>(ReusePolicyOptions()), {}, &ledger);
  const RestoreCounts first =
      RestoreAll(cache, Used(0, 500, {.age = 1000, .uses = 3}), RestoreRoom::kWorth);
  EXPECT_GT(first.admitted, 50U);
  EXPECT_EQ(first.refused, 500 - first.admitted);
  EXPECT_EQ(ledger.told, std::vector<int>(first.admitted, 3));

  ledger.left.clear();
  const RestoreCounts worse =
      RestoreAll(cache, Used(500, 20, {.age = 90'000, .uses = 1}), RestoreRoom::kWorth);
  EXPECT_EQ(worse.admitted, 0U);
  EXPECT_EQ(ledger.left, std::vector<int>(20, 1));

  ledger.left.clear();
  const RestoreCounts better =
      RestoreAll(cache, Used(600, 20, {.age = 10, .uses = 50}), RestoreRoom::kWorth);
  EXPECT_EQ(better.admitted, 20U);
  EXPECT_EQ(ledger.left, std::vector<int>(20, 3));
  EXPECT_EQ(LookUpGroups(cache, kSpec, Range(600, 20)), 20U);
}

TEST(GroupCacheExportTest, WithoutWorthToGoByTheOrderGivenDecides) {
  Ledger ledger;
  auto shares = std::make_shared<RamShares>(std::make_shared<ByteBudget>(kBudget));
  GroupCache cache(kSpec, shares, std::make_unique<ReusePolicy>(ReusePolicyOptions()), {}, &ledger);
  AdmitGroups(cache, kSpec, Range(450, 1));
  EXPECT_EQ(ledger.told, std::vector<int>{0});
  KnownGroups groups = Used(0, 500, {.age = 1000, .uses = 3});
  groups.pasts[499] = {.age = 0, .uses = 200};
  const RestoreCounts counts = RestoreAll(cache, groups, RestoreRoom::kFairShare);
  EXPECT_EQ(counts.held, 1U);
  EXPECT_EQ(counts.refused, ledger.left.size());
  EXPECT_EQ(ledger.left.back(), 200);
  EXPECT_EQ(LookUpGroups(cache, kSpec, Range(0, counts.admitted)), counts.admitted);
  EXPECT_EQ(cache.Stats().evictions + cache.Stats().refusals, 0U);
}

// Another table's cache gives back what it has above its share.
TEST(GroupCacheExportTest, TakesItsFairShare) {
  auto shares = std::make_shared<RamShares>(std::make_shared<ByteBudget>(8 << 20));
  const auto other = MakeCache(kSpec, shares);
  AdmitGroups(*other, kSpec, Range(0, 10'000));
  const auto cache = MakeCache(kSpec, shares);
  size_t admitted = 0;
  for (uint64_t first = 0; first < 4000; first += 200) {
    admitted += RestoreAll(*cache, Used(first, 200, {.age = 5, .uses = 1}), RestoreRoom::kFairShare)
                    .admitted;
  }
  EXPECT_GT(admitted, 1000U);
  EXPECT_EQ(LookUpGroups(*cache, kSpec, Range(0, admitted)), admitted);
}

TEST(GroupCacheExportTest, WithoutRoomForAGroupAllAreRefused) {
  const auto cache = MakeCache(kSpec, 0);
  EXPECT_EQ(RestoreAll(*cache, Used(0, 5, {.uses = 1}), RestoreRoom::kWorth).refused, 5U);
  EXPECT_EQ(ExportAll(*cache).size(), 0U);
}

}  // namespace
}  // namespace engram::storage
