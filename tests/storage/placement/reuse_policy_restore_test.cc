// Goal: a policy takes over what another knew, and nothing that it is told counts as a use.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <vector>

#include "storage/placement/reuse_policy.h"
#include "tests/storage/placement/placement_testing.h"

namespace engram::storage {
namespace {

constexpr uint32_t kSlots = 64;

GroupKey Key(uint64_t group) { return {.hash = HashOf(group), .order = 0}; }

// A policy and its memory.
class Restored {
 public:
  Restored() : state_(policy.StateBytes(kSlots) / sizeof(Line) + 1) {
    policy.Init(reinterpret_cast<std::byte*>(state_.data()), kSlots);
  }

  ReusePolicy policy{ReusePolicyOptions{.random_seed = 1}};

 private:
  struct alignas(64) Line {
    std::array<std::byte, 64> bytes;
  };
  std::vector<Line> state_;
};

TEST(ReusePolicyRestoreTest, KeepsThePast) {
  Restored restored;
  const GroupPast past = {.age = 1'000'000, .uses = 9, .gap = 5};
  restored.policy.OnRestore(3, Key(1), past);
  EXPECT_EQ(restored.policy.PastOf(3), past);
  EXPECT_EQ(restored.policy.PastOf(4).uses, 0);
  EXPECT_EQ(restored.policy.UsesOf(SlotId{3}), 9);
}

TEST(ReusePolicyRestoreTest, WhatIsRememberedCountsAtTheNextUse) {
  Restored restored;
  restored.policy.Remember(Key(1), {.age = 100, .uses = 9, .gap = 5});
  EXPECT_EQ(restored.policy.UsesOf(Key(1)), 9);
  restored.policy.OnInsert(0, Key(1));
  EXPECT_EQ(restored.policy.PastOf(0).uses, 10);
  EXPECT_EQ(restored.policy.PastOf(0).age, 0U);
}

// Traffic may have used and evicted a group before its past is told.
TEST(ReusePolicyRestoreTest, WhatIsToldJoinsWhatIsKnown) {
  Restored restored;
  restored.policy.OnInsert(0, Key(1));
  restored.policy.OnRemove(0, Key(1));
  restored.policy.OnRestore(1, Key(1), {.age = 5000, .uses = 9, .gap = 5});
  EXPECT_EQ(restored.policy.PastOf(1).uses, 10);
  EXPECT_LT(restored.policy.PastOf(1).age, 5000U);
  restored.policy.Remember(Key(2), {.age = 1, .uses = 250, .gap = 5});
  restored.policy.Remember(Key(2), {.age = 9, .uses = 250, .gap = 7});
  EXPECT_EQ(restored.policy.UsesOf(Key(2)), 255);
}

TEST(ReusePolicyRestoreTest, OnlyWhatIsWorthMoreGetsASlot) {
  Restored restored;
  for (SlotId slot = 0; slot < kSlots; ++slot) {
    restored.policy.OnRestore(slot, Key(slot), {.age = 1000, .uses = 3, .gap = 4});
  }
  EXPECT_FALSE(restored.policy.PickVictimFor(Key(100), {.age = 9000, .uses = 1}).has_value());
  EXPECT_EQ(restored.policy.UsesOf(Key(100)), 1);
  const GroupPast same = {.age = 1000, .uses = 3, .gap = 4};
  EXPECT_FALSE(restored.policy.PickVictimFor(Key(101), same).has_value());
  EXPECT_TRUE(restored.policy.PickVictimFor(Key(102), {.age = 1, .uses = 90}).has_value());
}

TEST(ReusePolicyRestoreTest, KnowledgeIsHandedOn) {
  Restored teacher;
  for (uint64_t use = 0; use < 20'000; ++use) {
    const auto slot = static_cast<SlotId>(use % kSlots);
    if (use >= kSlots) teacher.policy.OnRemove(slot, Key(use - kSlots));
    teacher.policy.OnInsert(slot, Key(use));
    if (use >= kSlots) teacher.policy.PickVictim(Key(1'000'000 + use % 50));
  }
  Restored pupil;
  EXPECT_NE(pupil.policy.Knowledge(), teacher.policy.Knowledge());
  EXPECT_TRUE(pupil.policy.Teach(teacher.policy.Knowledge()));
  EXPECT_EQ(pupil.policy.Knowledge(), teacher.policy.Knowledge());
}

}  // namespace
}  // namespace engram::storage
