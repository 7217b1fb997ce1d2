// Goal: what is in the index is among the candidates, whatever collides; what is not, is not.
#include "storage/ram/group_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <unordered_map>
#include <vector>

#include "storage/ram/huge_region.h"

namespace engram::storage {
namespace {

class GroupIndexTest : public testing::Test {
 protected:
  GroupIndex MakeIndex(uint32_t slots) {
    memory_ = std::make_unique<HugeRegion>(budget_, GroupIndex::BytesFor(slots));
    EXPECT_TRUE(memory_->GrowTo(GroupIndex::BytesFor(slots)));
    return GroupIndex(memory_->data(), slots);
  }
  static bool Finds(const GroupIndex& index, uint64_t hash, SlotId slot) {
    GroupIndex::Slots slots;
    const size_t found = index.FindCandidates(hash, slots.data());
    return std::count(slots.begin(), slots.begin() + found, slot) == 1;
  }

  std::shared_ptr<ByteBudget> budget_ = std::make_shared<ByteBudget>(1 << 30);
  std::unique_ptr<HugeRegion> memory_;
};

TEST_F(GroupIndexTest, TakesUnderFiveBytesASlot) {
  EXPECT_LE(GroupIndex::BytesFor(1'000'000), 4'500'000u);
  EXPECT_EQ(GroupIndex::BytesFor(1), 4096u);
}

TEST_F(GroupIndexTest, FindsWhatWasInserted) {
  GroupIndex index = MakeIndex(100);
  EXPECT_FALSE(Finds(index, 0, 0));  // an empty entry is no slot
  EXPECT_TRUE(index.Insert(0, 0));
  EXPECT_TRUE(index.Insert(~uint64_t{0}, 99));
  EXPECT_TRUE(Finds(index, 0, 0));
  EXPECT_TRUE(Finds(index, ~uint64_t{0}, 99));
  EXPECT_FALSE(Finds(index, 0, 99));
  EXPECT_TRUE(index.Remove(0, 0));
  EXPECT_FALSE(index.Remove(0, 0));
  EXPECT_FALSE(index.Remove(0, 99));
  EXPECT_FALSE(Finds(index, 0, 0));
}

TEST_F(GroupIndexTest, EqualHashesAreAllCandidates) {
  GroupIndex index = MakeIndex(1000);
  const uint64_t hash = 0x0123456789ABCDEF;
  for (SlotId slot = 0; slot < GroupIndex::kMaxCandidates; ++slot) {
    EXPECT_TRUE(index.Insert(hash, slot * 7));
  }
  EXPECT_FALSE(index.Insert(hash, 999));
  GroupIndex::Slots slots;
  EXPECT_EQ(index.FindCandidates(hash, slots.data()), GroupIndex::kMaxCandidates);
  EXPECT_EQ(index.FindNeighbours(hash, slots.data()), GroupIndex::kMaxCandidates);
  EXPECT_TRUE(Finds(index, hash, 7 * 31));
  EXPECT_TRUE(index.Remove(hash, 7));
  EXPECT_TRUE(index.Insert(hash, 999));
  EXPECT_TRUE(Finds(index, hash, 999));
}

TEST_F(GroupIndexTest, AFewSlotsAlwaysFit) {
  std::mt19937_64 random(4);
  for (uint32_t slots = 1; slots <= 32; ++slots) {
    GroupIndex index = MakeIndex(slots);
    std::vector<uint64_t> hashes(slots);
    for (SlotId slot = 0; slot < slots; ++slot) {
      hashes[slot] = random();
      EXPECT_TRUE(index.Insert(hashes[slot], slot));
    }
    for (SlotId slot = 0; slot < slots; ++slot) EXPECT_TRUE(Finds(index, hashes[slot], slot));
  }
}

TEST_F(GroupIndexTest, LargestSlotNumbersFit) {
  // The index believes in kMaxSlots slots, but only a few are entered; its pages stay untouched.
  GroupIndex index = MakeIndex(kMaxSlots / 16);
  const SlotId last = kMaxSlots / 16 - 1;
  EXPECT_TRUE(index.Insert(0xFEDCBA9876543210, last));
  EXPECT_TRUE(Finds(index, 0xFEDCBA9876543210, last));
}

TEST_F(GroupIndexTest, FillsAlmostCompletely) {
  constexpr uint32_t kSlots = 100'000;
  GroupIndex index = MakeIndex(kSlots);
  std::mt19937_64 random(1);
  size_t refused = 0;
  for (SlotId slot = 0; slot < kSlots; ++slot) refused += !index.Insert(random(), slot);
  EXPECT_LT(refused, kSlots / 500);
}

TEST_F(GroupIndexTest, FalseCandidatesAreRare) {
  constexpr uint32_t kSlots = 100'000;
  GroupIndex index = MakeIndex(kSlots);
  std::mt19937_64 random(2);
  for (SlotId slot = 0; slot < kSlots; ++slot) index.Insert(random(), slot);
  size_t candidates = 0;
  GroupIndex::Slots slots;
  for (uint32_t i = 0; i < kSlots; ++i) candidates += index.FindCandidates(random(), slots.data());
  // 15 bits of tag are left: about 29 / 2^15 for each search.
  EXPECT_LT(candidates, kSlots / 500);
}

TEST_F(GroupIndexTest, AgreesWithAMap) {
  constexpr uint32_t kSlots = 2000;
  GroupIndex index = MakeIndex(kSlots);
  std::unordered_map<SlotId, uint64_t> model;
  std::mt19937_64 random(3);
  for (int step = 0; step < 200'000; ++step) {
    const auto slot = static_cast<SlotId>(random() % kSlots);
    const auto held = model.find(slot);
    if (held != model.end()) {
      ASSERT_TRUE(Finds(index, held->second, slot));
      ASSERT_TRUE(index.Remove(held->second, slot));
      model.erase(held);
      continue;
    }
    const uint64_t hash = random() & 0xFF0000F0FF0000F0;  // many collide
    if (index.Insert(hash, slot)) {
      model.emplace(slot, hash);
    } else {
      GroupIndex::Slots neighbours;
      ASSERT_GE(index.FindNeighbours(hash, neighbours.data()), GroupIndex::kBucketEntries);
    }
  }
  EXPECT_GT(model.size(), kSlots / 4);
  for (const auto& [slot, hash] : model) ASSERT_TRUE(Finds(index, hash, slot));
}

}  // namespace
}  // namespace engram::storage
