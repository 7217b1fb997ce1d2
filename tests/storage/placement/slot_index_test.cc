// Goal: slots are found whatever came and went before. Method: against a map, with hashes that
// crowd a few homes.
#include "storage/placement/slot_index.h"

#include <gtest/gtest.h>

#include <unordered_map>
#include <vector>

#include "tests/storage/placement/placement_testing.h"

namespace engram::storage {
namespace {

TEST(SlotIndexTest, BehavesLikeAMap) {
  constexpr uint32_t kSlots = 37;
  constexpr uint64_t kUpperHalves[] = {0, 1u << 31, 0xF8000000u, 0xFFFFFFFFu};
  SlotIndex index(kSlots);
  std::unordered_map<uint64_t, uint32_t> expected;
  std::vector<uint32_t> free_slots;
  for (uint32_t slot = 0; slot < kSlots; ++slot) free_slots.push_back(slot);
  Random random(1);
  for (int step = 0; step < 100'000; ++step) {
    // The upper half decides the home.
    const uint64_t hash = kUpperHalves[random.Below(4)] << 32 | random.Below(16);
    ASSERT_EQ(index.Find(hash), expected.contains(hash) ? expected[hash] : SlotIndex::kNone);
    if (expected.contains(hash)) {
      ASSERT_EQ(index.hash(expected[hash]), hash);
      index.Remove(expected[hash]);
      free_slots.push_back(expected[hash]);
      expected.erase(hash);
    } else if (!free_slots.empty()) {
      index.Insert(hash, free_slots.back());
      expected[hash] = free_slots.back();
      free_slots.pop_back();
    }
  }
}

TEST(SlotIndexTest, OneSlot) {
  SlotIndex index(1);
  EXPECT_EQ(index.Find(0), SlotIndex::kNone);
  index.Insert(0, 0);
  EXPECT_EQ(index.Find(0), 0u);
  EXPECT_EQ(index.Find(~uint64_t{0}), SlotIndex::kNone);
  index.Remove(0);
  EXPECT_EQ(index.Find(0), SlotIndex::kNone);
}

}  // namespace
}  // namespace engram::storage
