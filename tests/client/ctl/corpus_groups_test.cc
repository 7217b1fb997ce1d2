// Goal: uses are counted right, and groups that will be used again come first.
#include "client/ctl/corpus_groups.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace engram::ctl {
namespace {

TEST(CorpusGroupsTest, CountsUses) {
  CorpusGroups groups(2, 1, 5);
  for (const uint32_t group : {7U, 8U, 7U, 9U, 7U}) groups.Use({group, group + 1}, 0);
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_EQ(std::vector<uint32_t>(groups.IdsOf(0).begin(), groups.IdsOf(0).end()),
            (std::vector<uint32_t>{7, 8}));
  EXPECT_EQ(groups.PastOf(0).uses, 3U);
  EXPECT_EQ(groups.PastOf(0).age, 0U);
  EXPECT_EQ(groups.PastOf(0).gap, 2U);
  EXPECT_EQ(groups.PastOf(1).uses, 1U);
  EXPECT_EQ(groups.PastOf(1).age, 3U);
  EXPECT_EQ(groups.PastOf(1).gap, 0U);
}

TEST(CorpusGroupsTest, TheOrderOfIdsBelongsToTheName) {
  CorpusGroups groups(2, 1, 2);
  groups.Use({1, 2}, 0);
  groups.Use({2, 1}, 0);
  EXPECT_EQ(groups.size(), 2U);
}

TEST(CorpusGroupsTest, NoCorpusHasNoGroups) {
  EXPECT_TRUE(CorpusGroups(8, 3, 0).ByWorth().empty());
  CorpusGroups one(1, 3, 1);
  one.Use({5}, 2);
  EXPECT_EQ(one.ByWorth(), std::vector<uint32_t>{0});
}

// 20 groups are used all the time, among others that never come back, or that came often once.
TEST(CorpusGroupsTest, GroupsThatComeBackComeFirst) {
  constexpr uint64_t kUses = 20'000;
  CorpusGroups groups(1, 1, kUses);
  for (uint32_t use = 0; use < kUses; ++use) {
    const uint32_t id = use % 4 == 0 ? use / 4 % 20 : use < 4'000 ? 100 + use % 30 : 1'000 + use;
    groups.Use({id}, 0);
  }
  std::vector<uint32_t> first;
  const std::vector<uint32_t> order = groups.ByWorth();
  ASSERT_EQ(order.size(), groups.size());
  for (size_t i = 0; i < 20; ++i) first.push_back(groups.IdsOf(order[i])[0]);
  std::sort(first.begin(), first.end());
  for (uint32_t i = 0; i < 20; ++i) EXPECT_EQ(first[i], i);
}

// What one order of n-grams does says nothing of another.
TEST(CorpusGroupsTest, OrdersAreToldApart) {
  constexpr uint64_t kUses = 40'000;
  CorpusGroups groups(1, 2, kUses);
  for (uint32_t use = 0; use < kUses; use += 2) {
    const uint32_t turn = use / 2;
    groups.Use({turn % 3'000}, 0);                    // comes back
    groups.Use({100'000 + turn % 5 + turn / 10}, 1);  // a few times, then never again
  }
  const std::vector<uint32_t> order = groups.ByWorth();
  size_t of_first_order = 0;
  for (size_t i = 0; i < 2'000; ++i) of_first_order += groups.IdsOf(order[i])[0] < 3'000;
  EXPECT_GT(of_first_order, 1'900U);
}

}  // namespace
}  // namespace engram::ctl
