// Goal: histories are found again by hash, and of too many those worth most stay.
#include "storage/placement/ghost_table.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/storage/placement/placement_testing.h"

namespace engram::storage {
namespace {

class GhostTableTest : public testing::Test {
 protected:
  explicit GhostTableTest(uint64_t groups = 800)
      : memory_(GhostTable::BytesFor(groups)), table_(memory_.data(), groups) {}

  void Put(uint64_t group, uint8_t uses, uint32_t last_use) {
    table_.Put(HashOf(group), {.last_use = last_use, .uses = uses, .gap = 5, .order = 2}, model_,
               last_use);
  }

  ReuseModel model_{3};
  std::vector<std::byte> memory_;
  GhostTable table_;
};

TEST_F(GhostTableTest, FindsWhatWasPut) {
  for (uint8_t group = 0; group < 100; ++group) Put(group, group + 1, 1000 + group);
  for (uint8_t group = 0; group < 100; ++group) {
    const auto found = table_.Find(HashOf(group));
    ASSERT_TRUE(found.has_value()) << group;
    EXPECT_EQ(found->uses, group + 1);
    EXPECT_EQ(found->last_use, 1000u + group);
    EXPECT_EQ(found->gap, 5);
    EXPECT_EQ(found->order, 2);
  }
  EXPECT_FALSE(table_.Find(HashOf(100)).has_value());
}

TEST_F(GhostTableTest, ANewHistoryReplacesTheOldOne) {
  Put(7, 1, 10);
  Put(7, 2, 20);
  EXPECT_EQ(table_.Find(HashOf(7))->uses, 2);
  table_.Remove(HashOf(7));
  EXPECT_FALSE(table_.Find(HashOf(7)).has_value());
  table_.Remove(HashOf(7));
}

TEST_F(GhostTableTest, ForgetsTheLeastWorthyOfTooMany) {
  for (uint64_t group = 0; group < 200; ++group) Put(group, 50, 1000);
  for (uint64_t group = 1000; group < 5000; ++group) Put(group, 1, 1000);
  size_t popular = 0;
  for (uint64_t group = 0; group < 200; ++group) popular += table_.Find(HashOf(group)).has_value();
  EXPECT_GT(popular, 195u);
}

TEST_F(GhostTableTest, AmongEqualsTheOldestGo) {
  for (uint64_t group = 0; group < 4000; ++group) {
    Put(group, 1, 100'000 + static_cast<uint32_t>(group));
  }
  size_t young = 0;
  for (uint64_t group = 3800; group < 4000; ++group)
    young += table_.Find(HashOf(group)).has_value();
  EXPECT_GT(young, 190u);
}

TEST_F(GhostTableTest, EveryPlaceCanBeLookedAt) {
  for (uint64_t group = 0; group < 100; ++group) Put(group, 3, 1);
  size_t found = 0;
  for (uint64_t place = 0; place < table_.capacity(); ++place) {
    table_.Prefetch(place);
    found += table_.At(place).has_value();
  }
  EXPECT_EQ(found, 100u);
}

TEST(EmptyGhostTableTest, RemembersNothing) {
  const ReuseModel model(1);
  GhostTable table(nullptr, 0);
  table.Put(HashOf(1), {.last_use = 1, .uses = 1}, model, 1);
  EXPECT_FALSE(table.Find(HashOf(1)).has_value());
  EXPECT_EQ(table.capacity(), 0u);
  EXPECT_EQ(GhostTable::BytesFor(0), 0u);
}

}  // namespace
}  // namespace engram::storage
