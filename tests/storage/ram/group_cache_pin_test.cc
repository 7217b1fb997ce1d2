// Goal: what is pinned stays, wherever its memory goes.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "storage/ram/group_cache.h"
#include "tests/storage/ram/ram_testing.h"

namespace engram::storage {
namespace {

constexpr uint64_t kBudget = 1 << 20;
const TableSpec kSpec = MakeSpec(4'000'000'000, 264, 8);

// Offers groups that are to be pinned. Returns how many are not.
size_t PinGroups(RamTier& tier, const std::vector<uint64_t>& groups) {
  const std::vector<RowId> ids = GroupIds(kSpec, groups);
  const std::vector<GroupPast> pasts(groups.size(), {.uses = 1, .pinned = true});
  tier.Restore(ids, MakeRows(kSpec, ids).data(), pasts, RestoreRoom::kWorth);
  return tier.NotPinned(ids).size();
}

// Offers groups that were never seen, some at a time.
void Flood(RamTier& tier, uint64_t first, size_t count) {
  for (uint64_t group = first; group < first + count; group += 50) {
    AdmitGroups(tier, kSpec, Range(group, 50));
  }
}

TEST(GroupCachePinTest, StaysWhateverComes) {
  const auto cache = MakeCache(kSpec, kBudget);
  ASSERT_EQ(PinGroups(*cache, Range(0, 40)), 0U);
  EXPECT_EQ(cache->Stats().pinned, 40U);
  Flood(*cache, 1000, 20'000);
  EXPECT_GT(cache->Stats().evictions, 100U);
  EXPECT_EQ(LookUpGroups(*cache, kSpec, Range(0, 40)), 40U);
  EXPECT_EQ(cache->Unpin(GroupIds(kSpec, Range(30, 30))), 10U);
  EXPECT_EQ(cache->UnpinAll(), 30U);
  EXPECT_EQ(cache->Stats().pinned, 0U);
  for (int times = 0; times < 20; ++times) Flood(*cache, 100'000, 1000);
  EXPECT_LT(LookUpGroups(*cache, kSpec, Range(0, 40)), 10U);
}

TEST(GroupCachePinTest, GroupsThatAreHeldArePinnedWhereTheyAre) {
  const auto cache = MakeCache(kSpec, kBudget);
  AdmitGroups(*cache, kSpec, Range(0, 30));
  ASSERT_EQ(PinGroups(*cache, Range(20, 20)), 0U);
  EXPECT_EQ(cache->Stats().pinned, 20U);
  EXPECT_EQ(cache->Stats().rows, 40 * kSpec.group_size);
}

TEST(GroupCachePinTest, AFullCacheMakesRoomAndNoMoreThanHalfIsPinned) {
  const auto cache = MakeCache(kSpec, kBudget);
  Flood(*cache, 1000, 2000);
  const uint64_t limit = cache->pin_limit();
  const uint64_t held = cache->Stats().rows / kSpec.group_size;
  EXPECT_LE(limit, held / 2 + 1);
  EXPECT_GT(limit, held * 2 / 5);
  size_t left = limit + 10;
  for (int tries = 0; tries < 20; ++tries) left = PinGroups(*cache, Range(0, limit + 10));
  EXPECT_EQ(left, 10U);
  EXPECT_EQ(cache->Stats().pinned, limit);
}

TEST(GroupCachePinTest, APinIsExportedFirst) {
  const auto cache = MakeCache(kSpec, kBudget);
  AdmitGroups(*cache, kSpec, Range(0, 20));
  for (int uses = 0; uses < 20; ++uses) LookUpGroups(*cache, kSpec, Range(0, 20));
  ASSERT_EQ(PinGroups(*cache, {77}), 0U);
  KnownGroups groups;
  cache->Export(cache->SlotsByWorth(), &groups);
  ASSERT_EQ(groups.size(), 21U);
  EXPECT_TRUE(groups.pasts[0].pinned);
  EXPECT_FALSE(groups.pasts[1].pinned);
}

// Pinned groups at the end of the memory, and others everywhere.
class GroupCacheShrinkTest : public testing::Test {
 protected:
  GroupCacheShrinkTest() {
    Flood(*cache_, 1000, 2000);
    while (shares_->Shed(0) > 0) {
    }
    KnownGroups groups;
    std::vector<SlotId> slots = cache_->SlotsByWorth();
    std::sort(slots.begin(), slots.end());
    slots.erase(slots.begin(), slots.end() - 60);  // the last ones
    cache_->Export(slots, &groups);
    ids_ = groups.row_ids;
    groups.pasts.assign(groups.size(), {.uses = 1, .pinned = true});
    cache_->Restore(ids_, MakeRows(kSpec, ids_).data(), groups.pasts, RestoreRoom::kWorth);
  }

  // Another table's cache takes what memory it can get.
  void FillAnother(uint64_t first) {
    if (another_ == nullptr) another_ = MakeCache(kSpec, shares_);
    Flood(*another_, first, 3000);
  }
  void ExpectPinnedGroupsAreRight() {
    std::vector<std::byte> rows(ids_.size() * kSpec.row_bytes);
    std::vector<uint32_t> misses;
    cache_->Lookup(ids_, rows.data(), &misses);
    EXPECT_TRUE(misses.empty());
    EXPECT_EQ(rows, MakeRows(kSpec, ids_));
    EXPECT_EQ(cache_->Stats().pinned, 60U);
  }

  const std::shared_ptr<RamShares> shares_ =
      std::make_shared<RamShares>(std::make_shared<ByteBudget>(kBudget));
  const std::unique_ptr<GroupCache> cache_ = MakeCache(kSpec, shares_);
  std::unique_ptr<GroupCache> another_;
  std::vector<RowId> ids_;  // of what is pinned
};

TEST_F(GroupCacheShrinkTest, PinnedGroupsMove) {
  ASSERT_EQ(cache_->Stats().pinned, 60U);
  const uint64_t before = cache_->Stats().bytes;
  FillAnother(0);
  EXPECT_LT(cache_->Stats().bytes, before * 2 / 3);
  ExpectPinnedGroupsAreRight();
  Flood(*cache_, 50'000, 5000);
  ExpectPinnedGroupsAreRight();
}

TEST_F(GroupCacheShrinkTest, MemoryIsNotGivenBackWhileTheyWaitForReaders) {
  const uint64_t before = cache_->Stats().bytes;
  std::optional<ReaderEpochs::Guard> reader = cache_->PinMemory();
  FillAnother(0);
  EXPECT_EQ(cache_->Stats().bytes, before);
  ExpectPinnedGroupsAreRight();
  reader.reset();
  FillAnother(10'000);
  EXPECT_LT(cache_->Stats().bytes, before * 2 / 3);
  ExpectPinnedGroupsAreRight();
}

TEST_F(GroupCacheShrinkTest, WhatIsUnpinnedWhileItWaitsGoes) {
  const uint64_t before = cache_->Stats().bytes;
  std::optional<ReaderEpochs::Guard> reader = cache_->PinMemory();
  FillAnother(0);
  EXPECT_EQ(cache_->UnpinAll(), 60U);
  reader.reset();
  FillAnother(10'000);
  EXPECT_LT(cache_->Stats().bytes, before * 2 / 3);
  EXPECT_EQ(cache_->Stats().pinned, 0U);
}

// Only few values of the hash are left, so that all groups crowd in few places of the index.
TEST(GroupCachePinTest, AnIndexThatIsFullOfPinnedGroupsTurnsOthersAway) {
  const auto cache = MakeCache(kSpec, kBudget, {.hash_mask = 0});
  EXPECT_GT(PinGroups(*cache, Range(0, 100)), 60U);
  const uint64_t pinned = cache->Stats().pinned;
  EXPECT_GE(pinned, 16U);
  Flood(*cache, 1000, 200);
  EXPECT_EQ(cache->Stats().pinned, pinned);
  EXPECT_EQ(LookUpGroups(*cache, kSpec, Range(0, 100)), pinned);
}

}  // namespace
}  // namespace engram::storage
