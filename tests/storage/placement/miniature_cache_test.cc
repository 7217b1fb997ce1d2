// Goal: a cache of hashes holds what fits, and its policy keeps what comes back.
#include "storage/placement/miniature_cache.h"

#include <gtest/gtest.h>

#include "tests/storage/placement/placement_testing.h"

namespace engram::storage {
namespace {

TEST(MiniatureCacheTest, HoldsAllThatFits) {
  MiniatureCache cache(100, {});
  EXPECT_EQ(cache.slots(), 100u);
  for (uint64_t group = 0; group < 100; ++group) EXPECT_FALSE(cache.Use({.hash = HashOf(group)}));
  for (uint64_t group = 0; group < 100; ++group) EXPECT_TRUE(cache.Use({.hash = HashOf(group)}));
}

TEST(MiniatureCacheTest, AScanLeavesThePopularGroupsAlone) {
  MiniatureCache cache(200, {});
  uint64_t scan = 1000;
  uint64_t hits = 0;
  for (int round = 0; round < 400; ++round) {
    hits = 0;
    for (uint64_t group = 0; group < 100; ++group) {
      hits += cache.Use({.hash = HashOf(group)}) ? 1 : 0;
      cache.Use({.hash = HashOf(scan++)});
      cache.Use({.hash = HashOf(scan++)});
    }
  }
  EXPECT_GE(hits, 95u);
}

TEST(MiniatureCacheTest, ASingleSlotWorks) {
  MiniatureCache cache(1, {.orders = 3});
  Random random(1);
  uint64_t hits = 0;
  for (int i = 0; i < 10'000; ++i) {
    hits += cache.Use({.hash = HashOf(random.Below(3)), .order = random.Below(3)}) ? 1 : 0;
  }
  EXPECT_GT(hits, 1000u);
}

}  // namespace
}  // namespace engram::storage
