// Goal: a pinned slot is never a victim, and an unpinned one is again.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <numeric>
#include <thread>
#include <vector>

#include "storage/placement/reuse_policy.h"
#include "tests/storage/placement/placement_testing.h"

namespace engram::storage {
namespace {

constexpr uint32_t kSlots = 64;

GroupKey Key(uint64_t group) { return {.hash = HashOf(group), .order = 0}; }

// A policy and its memory, all slots occupied by groups of one use.
class ReusePolicyPinTest : public testing::Test {
 protected:
  ReusePolicyPinTest() : state_(policy_.StateBytes(kSlots) / sizeof(Line) + 1), groups_(kSlots) {
    policy_.Init(reinterpret_cast<std::byte*>(state_.data()), kSlots);
    std::iota(groups_.begin(), groups_.end(), uint64_t{0});
    for (SlotId slot = 0; slot < kSlots; ++slot) policy_.OnInsert(slot, Key(groups_[slot]));
  }

  // Uses `count` groups that were never seen.
  void Flood(int count) {
    for (int i = 0; i < count; ++i) {
      const uint64_t group = next_++;
      const auto victim = policy_.PickVictim(Key(group));
      if (!victim.has_value()) continue;
      ASSERT_FALSE(policy_.IsPinned(*victim));
      policy_.OnRemove(*victim, Key(groups_[*victim]));
      policy_.OnInsert(*victim, Key(group));
      groups_[*victim] = group;
    }
  }

  struct alignas(64) Line {
    std::array<std::byte, 64> bytes;
  };
  ReusePolicy policy_{ReusePolicyOptions{.random_seed = 1}};
  std::vector<Line> state_;
  std::vector<uint64_t> groups_;  // by slot
  uint64_t next_ = 1000;
};

TEST_F(ReusePolicyPinTest, StaysWhateverComes) {
  for (const SlotId slot : {3U, 17U, 63U}) policy_.SetPinned(slot, true);
  EXPECT_EQ(policy_.pinned(), 3U);
  Flood(50'000);
  for (const SlotId slot : {3U, 17U, 63U}) EXPECT_EQ(groups_[slot], slot);
  policy_.SetPinned(17, false);
  EXPECT_EQ(policy_.pinned(), 2U);
  Flood(50'000);
  EXPECT_NE(groups_[17], 17U);
  EXPECT_EQ(groups_[3], 3U);
}

TEST_F(ReusePolicyPinTest, TheLastSlotLeftIsTheVictim) {
  for (SlotId slot = 0; slot < kSlots; ++slot) policy_.SetPinned(slot, slot != 40);
  for (uint64_t group = 0; group < 200; ++group) {
    const auto victim = policy_.PickVictimFor(Key(group + 500), {.uses = 200});
    EXPECT_EQ(victim.value_or(40), 40U);
  }
  EXPECT_EQ(policy_.PickVictimFor(Key(1), {.age = 1 << 30, .uses = 1, .pinned = true}), 40U);
  policy_.SetPinned(40, true);
  EXPECT_EQ(policy_.PickVictim(Key(300)), std::nullopt);
  EXPECT_EQ(policy_.PickVictimFor(Key(300), {.uses = 1, .pinned = true}), std::nullopt);
}

TEST_F(ReusePolicyPinTest, AmongOthersAnUnpinnedOneGoes) {
  policy_.SetPinned(5, true);
  for (int uses = 0; uses < 50; ++uses) policy_.OnHit({6});
  EXPECT_EQ(policy_.PickVictimAmong({5, 6}), 6U);
  policy_.SetPinned(6, true);
  EXPECT_EQ(policy_.PickVictimAmong({5, 6}), std::nullopt);
}

TEST_F(ReusePolicyPinTest, AMoveTakesAllAlong) {
  policy_.OnRemove(9, Key(9));
  policy_.OnHit({60, 60, 60});
  policy_.SetPinned(60, true);
  const GroupPast past = policy_.PastOf(60);
  EXPECT_TRUE(past.pinned);
  policy_.OnMove(60, 9);
  EXPECT_EQ(policy_.PastOf(9), past);
  EXPECT_EQ(policy_.PastOf(60).uses, 0);
  EXPECT_EQ(policy_.pinned(), 1U);
  EXPECT_FALSE(policy_.IsPinned(60));
}

TEST_F(ReusePolicyPinTest, WhatIsRemovedIsPinnedNoMore) {
  policy_.SetPinned(5, true);
  policy_.OnRemove(5, Key(5));
  EXPECT_EQ(policy_.pinned(), 0U);
  policy_.OnInsert(5, Key(5));
  EXPECT_FALSE(policy_.IsPinned(5));
  policy_.OnRemove(5, Key(5));
  policy_.OnRestore(5, Key(5), {.uses = 1, .pinned = true});
  EXPECT_TRUE(policy_.IsPinned(5));
  EXPECT_EQ(policy_.pinned(), 1U);
}

TEST_F(ReusePolicyPinTest, UsesMeanwhileNeitherLoseNorBringBackThePin) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> users;
  for (int i = 0; i < 2; ++i) {
    users.emplace_back([&] {
      while (!stop.load()) policy_.OnHit({7, 7, 7, 7});
    });
  }
  for (int round = 0; round < 20'000; ++round) {
    const bool pinned = round % 2 == 0;
    policy_.SetPinned(7, pinned);
    for (int look = 0; look < 3; ++look) ASSERT_EQ(policy_.IsPinned(7), pinned);
  }
  stop.store(true);
  for (std::thread& user : users) user.join();
  EXPECT_EQ(policy_.pinned(), 0U);
}

}  // namespace
}  // namespace engram::storage
