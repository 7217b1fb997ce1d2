// Goal: hits keep a group, time lets it go, and newcomers get a turn.
#include "storage/ram/clock_policy.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>
#include <vector>

namespace engram::storage {
namespace {

class ClockPolicyTest : public testing::Test {
 protected:
  static constexpr uint32_t kSlots = 8;

  ClockPolicyTest() : state_(kSlots * policy_.bytes_per_slot()) {
    policy_.Init(state_.data(), kSlots);
  }
  void Fill() {
    for (SlotId slot = 0; slot < kSlots; ++slot) policy_.OnInsert(slot, slot);
  }
  void Hit(SlotId slot, int times = 1) {
    for (int i = 0; i < times; ++i) policy_.OnHit({slot});
  }
  // Evicts a group and puts another one in its place.
  SlotId Replace() {
    const SlotId victim = policy_.PickVictim();
    policy_.OnRemove(victim);
    policy_.OnInsert(victim, 0);
    return victim;
  }

  ClockPolicy policy_;
  std::vector<std::byte> state_;
};

TEST_F(ClockPolicyTest, WithoutHitsTheOldestGoesFirst) {
  Fill();
  for (int turn = 0; turn < 2; ++turn) {
    for (SlotId slot = 0; slot < kSlots; ++slot) EXPECT_EQ(Replace(), slot);
  }
}

TEST_F(ClockPolicyTest, AHitSavesForOneTurn) {
  Fill();
  Hit(1);
  EXPECT_EQ(Replace(), 0u);
  EXPECT_EQ(Replace(), 2u);
  for (SlotId slot = 3; slot < kSlots; ++slot) EXPECT_EQ(Replace(), slot);
  EXPECT_EQ(Replace(), 0u);
  EXPECT_EQ(Replace(), 1u);
}

TEST_F(ClockPolicyTest, FrequencyCountsToThree) {
  Fill();
  Hit(5, 100);
  int evictions = 0;
  while (Replace() != 5) ++evictions;
  EXPECT_EQ(evictions, 5 + 3 * 7);  // the turn under way, then one for each of three hits
}

TEST_F(ClockPolicyTest, EmptySlotsAreNeverPicked) {
  for (const SlotId slot : {2, 5, 6}) policy_.OnInsert(slot, 0);
  std::set<SlotId> victims;
  for (int i = 0; i < 3; ++i) {
    victims.insert(policy_.PickVictim());
    policy_.OnRemove(*victims.rbegin());
  }
  EXPECT_EQ(victims, (std::set<SlotId>{2, 5, 6}));
}

TEST_F(ClockPolicyTest, AHitOnARemovedSlotDoesNotReviveIt) {
  Fill();
  policy_.OnRemove(0);
  Hit(0);
  EXPECT_EQ(policy_.PickVictim(), 1u);
}

TEST_F(ClockPolicyTest, ANewcomerForgetsItsPredecessor) {
  Fill();
  Hit(0, 3);
  policy_.OnRemove(0);
  policy_.OnInsert(0, 0);
  EXPECT_EQ(policy_.PickVictim(), 0u);
}

TEST_F(ClockPolicyTest, PicksTheColdestOfSome) {
  Fill();
  Hit(3, 2);
  Hit(4, 1);
  EXPECT_EQ(policy_.PickVictimAmong({3, 4}), 4u);
  EXPECT_EQ(policy_.PickVictimAmong({4, 3}), 4u);
  EXPECT_EQ(policy_.PickVictimAmong({4, 3, 7}), 7u);
  EXPECT_EQ(policy_.PickVictimAmong({3}), 3u);
}

TEST_F(ClockPolicyTest, AdmitsEverything) { EXPECT_TRUE(policy_.ShouldAdmit(42)); }

// One victim costs a bounded number of steps, even if everything was hit lately.
TEST(ClockPolicyBoundTest, ManyHotSlotsDoNotHoldUpAnEviction) {
  constexpr uint32_t kMany = 100'000;
  ClockPolicy policy;
  std::vector<std::byte> state(kMany);
  policy.Init(state.data(), kMany);
  std::vector<SlotId> all(kMany);
  for (SlotId slot = 0; slot < kMany; ++slot) {
    policy.OnInsert(slot, 0);
    all[slot] = slot;
  }
  for (int i = 0; i < 3; ++i) policy.OnHit(all);
  const std::vector<std::byte> before = state;
  policy.PickVictim();
  size_t lowered = 0;
  for (uint32_t i = 0; i < kMany; ++i) lowered += state[i] != before[i];
  EXPECT_LE(lowered, 4096u);
}

TEST(ClockPolicyThreadsTest, HitsAlongsideEvictionsLoseNoSlot) {
  constexpr uint32_t kFew = 64;
  ClockPolicy policy;
  std::vector<std::byte> state(kFew);
  policy.Init(state.data(), kFew);
  std::vector<SlotId> all(kFew);
  for (SlotId slot = 0; slot < kFew; ++slot) {
    policy.OnInsert(slot, 0);
    all[slot] = slot;
  }
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    while (!stop.load(std::memory_order_relaxed)) policy.OnHit(all);
  });
  std::vector<bool> removed(kFew, false);
  for (uint32_t i = 0; i < kFew; ++i) {
    const SlotId victim = policy.PickVictim();
    ASSERT_FALSE(removed[victim]) << victim;
    removed[victim] = true;
    policy.OnRemove(victim);
  }
  stop.store(true);
  reader.join();
}

}  // namespace
}  // namespace engram::storage
