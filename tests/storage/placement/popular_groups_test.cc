// Goal: the popular groups are there, their counts within the bounds, and ageing keeps it so.
#include "storage/placement/popular_groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_map>
#include <vector>

#include "tests/storage/placement/placement_testing.h"

namespace engram::storage {
namespace {

using testing::AllOf;
using testing::DoubleNear;
using testing::Field;
using testing::IsEmpty;
using testing::SizeIs;

using Counts = std::unordered_map<uint64_t, uint64_t>;

uint64_t CountOf(const Counts& counts, uint64_t hash) {
  const auto found = counts.find(hash);
  return found == counts.end() ? 0 : found->second;
}

void AddTimes(PopularGroups& popular, uint64_t hash, int times) {
  for (int i = 0; i < times; ++i) popular.Add(hash);
}

void ExpectWithinBounds(const PopularUses& uses, const Counts& counts) {
  std::set<uint64_t> listed;
  for (const PopularGroup& group : uses.groups) {
    const uint64_t count = CountOf(counts, group.hash);
    EXPECT_LE(count, group.count);
    EXPECT_GE(count, group.count - group.error);
    EXPECT_LE(group.estimate, group.count);
    EXPECT_GE(group.estimate, group.count - group.error);
    EXPECT_TRUE(listed.insert(group.hash).second) << "twice";
  }
  for (const auto& [hash, count] : counts) {
    EXPECT_TRUE(listed.contains(hash) || count <= uses.unlisted);
  }
}

TEST(PopularGroupsTest, FewGroupsAreCountedExactly) {
  PopularGroups popular(10);
  EXPECT_THAT(popular.Top(10).groups, IsEmpty());
  for (int group = 1; group <= 10; ++group) {
    AddTimes(popular, HashOf(static_cast<uint64_t>(group)), 3 * group);
  }
  const PopularUses uses = popular.Top(4);
  EXPECT_EQ(uses.total, 165);
  EXPECT_EQ(uses.unlisted, 18u);
  ASSERT_THAT(uses.groups, SizeIs(4));
  for (uint32_t i = 0; i < 4; ++i) {
    EXPECT_EQ(
        uses.groups[i],
        (PopularGroup{
            .hash = HashOf(10 - i), .count = 30 - 3 * i, .error = 0, .estimate = 30.0 - 3 * i}));
  }
  EXPECT_EQ(popular.Top(10).unlisted, 0u);
}

TEST(PopularGroupsTest, BoundsHoldAndThePopularAreListed) {
  for (const double exponent : {0.6, 1.0}) {
    PopularGroups popular(1000);
    Counts counts;
    const Zipf zipf(exponent, 100'000);
    Random random(3);
    for (int i = 0; i < 500'000; ++i) {
      const uint64_t hash = HashOf(zipf.Next(random));
      popular.Add(hash);
      ++counts[hash];
      if (i % 100'000 == 0) ExpectWithinBounds(popular.Top(1000), counts);
    }
    const PopularUses uses = popular.Top(1000);
    ExpectWithinBounds(uses, counts);
    EXPECT_THAT(uses.groups, SizeIs(1000));
    EXPECT_LE(uses.unlisted, uses.total / 1000);
    ExpectWithinBounds(popular.Top(50), counts);
  }
}

TEST(PopularGroupsTest, EstimatesAreRightOnAverage) {
  PopularGroups popular(2000);
  Counts counts;
  const Zipf zipf(0.7, 200'000);
  Random random(4);
  for (int i = 0; i < 1'000'000; ++i) {
    const uint64_t hash = HashOf(zipf.Next(random));
    popular.Add(hash);
    ++counts[hash];
  }
  const PopularUses uses = popular.Top(2000);
  double estimated[2] = {}, at_most[2] = {}, exact[2] = {};
  for (const PopularGroup& group : uses.groups) {
    const int clear = group.estimate >= 2.0 * uses.unlisted;
    estimated[clear] += group.estimate;
    at_most[clear] += group.count;
    exact[clear] += static_cast<double>(counts[group.hash]);
  }
  EXPECT_THAT(estimated[1] / exact[1], DoubleNear(1, 0.002));
  EXPECT_THAT(estimated[0] / exact[0], DoubleNear(1, 0.1));
  EXPECT_GT(at_most[0] / exact[0], 1.5);
}

TEST(PopularGroupsTest, HalvingFavoursTheNew) {
  PopularGroups popular(100);
  AddTimes(popular, 1, 800);
  AddTimes(popular, 2, 80);
  popular.Halve();
  popular.Halve();
  EXPECT_EQ(popular.total(), 220);
  AddTimes(popular, 3, 300);
  const PopularUses uses = popular.Top(100);
  ASSERT_THAT(uses.groups, SizeIs(3));
  EXPECT_THAT(uses.groups[0],
              AllOf(Field(&PopularGroup::hash, 3u), Field(&PopularGroup::count, 300u)));
  EXPECT_THAT(uses.groups[1],
              AllOf(Field(&PopularGroup::hash, 1u), Field(&PopularGroup::count, 200u)));
  EXPECT_THAT(uses.groups[2],
              AllOf(Field(&PopularGroup::hash, 2u), Field(&PopularGroup::count, 20u)));
  // 880 uses of weight 1/4, 300 of weight 1.
  EXPECT_DOUBLE_EQ(uses.dispersion, (880.0 / 16 + 300) / 520);
}

TEST(PopularGroupsTest, HalvingKeepsSmallCountsOnAverage) {
  PopularGroups popular(10'000);
  for (uint64_t group = 0; group < 10'000; ++group) AddTimes(popular, HashOf(group), 5);
  popular.Halve();
  popular.Halve();
  double sum = 0;
  for (const PopularGroup& group : popular.Top(10'000).groups) sum += group.estimate;
  EXPECT_THAT(sum / 10'000, DoubleNear(1.25, 0.03));
}

TEST(PopularGroupsTest, AWindowHasTheUsesSinceTheLastHalving) {
  PopularGroups popular(1000);
  const Zipf zipf(0.9, 50'000);
  Random random(5);
  for (int i = 0; i < 200'000; ++i) popular.Add(HashOf(zipf.Next(random)));
  popular.Halve();
  EXPECT_EQ(popular.window_total(), 0u);
  Counts counts;
  for (int i = 0; i < 100'000; ++i) {
    const uint64_t hash = HashOf(zipf.Next(random));
    popular.Add(hash);
    ++counts[hash];
  }
  const PopularUses uses = popular.Window(1000);
  EXPECT_EQ(uses.total, 100'000);
  EXPECT_EQ(uses.dispersion, 1);
  ExpectWithinBounds(uses, counts);
}

TEST(PopularGroupsTest, OldFavouritesMakeRoom) {
  PopularGroups popular(100);
  for (uint64_t group = 0; group < 100; ++group) AddTimes(popular, HashOf(group), 1000);
  for (int i = 0; i < 12; ++i) popular.Halve();
  for (int i = 0; i < 10; ++i) {
    for (uint64_t group = 200; group < 300; ++group) popular.Add(HashOf(group));
  }
  std::set<uint64_t> listed;
  for (const PopularGroup& group : popular.Top(100).groups) listed.insert(group.hash);
  int found = 0;
  for (uint64_t group = 200; group < 300; ++group) found += listed.contains(HashOf(group)) ? 1 : 0;
  EXPECT_GT(found, 80);
}

TEST(PopularGroupsTest, ACapacityOfOneFindsTheMajority) {
  PopularGroups popular(1);
  Random random(6);
  for (int i = 0; i < 1000; ++i) popular.Add(i % 4 == 0 ? random.Next() : 42);
  EXPECT_EQ(popular.Top(1).groups[0].hash, 42u);
}

TEST(PopularGroupsTest, MemoryIsAsStated) { EXPECT_EQ(PopularGroups::BytesFor(1000), 52'000u); }

}  // namespace
}  // namespace engram::storage
