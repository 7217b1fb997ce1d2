// Goal: the caches that the store's policy is compared with do what their names say.
#include "tests/bench/cache_models.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <list>
#include <random>
#include <vector>

#include "tests/bench/belady.h"

namespace engram::bench {
namespace {

using Accesses = std::vector<uint32_t>;

// A few groups are frequent, most are rare.
Accesses SkewedAccesses(uint32_t seed, size_t count, uint32_t groups) {
  std::mt19937 random(seed);
  Accesses accesses(count);
  for (uint32_t& group : accesses) {
    const auto most = static_cast<uint32_t>(random() % groups);
    group = static_cast<uint32_t>(random() % (most + 1));
  }
  return accesses;
}

uint64_t Hits(CacheModel& cache, const Accesses& accesses) {
  return std::count_if(accesses.begin(), accesses.end(),
                       [&](uint32_t group) { return cache.Use(group); });
}

TEST(CacheModelsTest, LruEvictsWhatWasUsedLongestAgo) {
  const Accesses accesses = SkewedAccesses(1, 5000, 60);
  const auto cache = NewLru(60, 20);
  std::list<uint32_t> held;  // the last used first
  for (const uint32_t group : accesses) {
    const auto found = std::find(held.begin(), held.end(), group);
    const bool hit = found != held.end();
    if (hit) held.erase(found);
    held.push_front(group);
    if (held.size() > 20) held.pop_back();
    ASSERT_EQ(cache->Use(group), hit);
  }
}

TEST(CacheModelsTest, S3FifoEvictsFromTheSmallQueueWhatWasNotUsedTwice) {
  const auto cache = NewS3Fifo(1000, 100);  // of which the small queue has 10
  for (uint32_t group = 0; group < 100; ++group) EXPECT_FALSE(cache->Use(group));
  for (int use = 0; use < 2; ++use) EXPECT_TRUE(cache->Use(1));
  EXPECT_TRUE(cache->Use(2));
  EXPECT_FALSE(cache->Use(100));  // evicts 0
  EXPECT_FALSE(cache->Use(101));  // 1 goes on to the main queue, 2 is evicted
  EXPECT_TRUE(cache->Use(1));
  EXPECT_FALSE(cache->Use(2));  // comes back to the main queue
  for (uint32_t group = 200; group < 400; ++group) EXPECT_FALSE(cache->Use(group));
  EXPECT_TRUE(cache->Use(1));
  EXPECT_TRUE(cache->Use(2));
  EXPECT_FALSE(cache->Use(100));
}

TEST(CacheModelsTest, S3FifoForgetsEvictedGroups) {
  const auto cache = NewS3Fifo(1000, 100);
  for (uint32_t group = 0; group < 100 + 91; ++group) cache->Use(group);  // evicts 0 to 90
  cache->Use(0);   // forgotten: only 90 are remembered
  cache->Use(50);  // to the main queue
  for (uint32_t group = 300; group < 500; ++group) cache->Use(group);
  EXPECT_FALSE(cache->Use(0));
  EXPECT_TRUE(cache->Use(50));
}

TEST(CacheModelsTest, WTinyLfuLetsAScanPassBy) {
  const auto cache = NewWTinyLfu(10000, 100);
  for (int use = 0; use < 3; ++use) {
    for (uint32_t group = 0; group < 99; ++group) cache->Use(group);
  }
  for (uint32_t group = 1000; group < 1500; ++group) EXPECT_FALSE(cache->Use(group));
  uint32_t held = 0;
  for (uint32_t group = 0; group < 99; ++group) held += cache->Use(group) ? 1 : 0;
  EXPECT_GE(held, 98u);
}

TEST(CacheModelsTest, WTinyLfuForgetsOldCounts) {
  const auto cache = NewWTinyLfu(10000, 10);  // ages every 100 uses
  for (int use = 0; use < 15; ++use) {
    for (uint32_t group = 0; group < 10; ++group) cache->Use(group);
  }
  for (int use = 0; use < 60; ++use) {
    for (uint32_t group = 20; group < 30; ++group) cache->Use(group);
  }
  uint32_t held = 0;
  for (uint32_t group = 20; group < 30; ++group) held += cache->Use(group) ? 1 : 0;
  EXPECT_GE(held, 9u);
}

// The most hits from access `at` on, tried out over all that a cache could hold.
uint64_t MostHits(const Accesses& accesses, size_t at, uint32_t held, int slots) {
  if (at == accesses.size()) return 0;
  const uint32_t group = uint32_t{1} << accesses[at];
  if ((held & group) != 0) return 1 + MostHits(accesses, at + 1, held, slots);
  uint64_t best = MostHits(accesses, at + 1, held, slots);
  if (__builtin_popcount(held) < slots) {
    return std::max(best, MostHits(accesses, at + 1, held | group, slots));
  }
  for (uint32_t rest = held; rest != 0; rest &= rest - 1) {
    const uint32_t victim = rest & -rest;
    best = std::max(best, MostHits(accesses, at + 1, (held ^ victim) | group, slots));
  }
  return best;
}

TEST(BeladyTest, NoChoiceOfVictimsHasMoreHits) {
  for (uint32_t seed = 0; seed < 100; ++seed) {
    const Accesses accesses = SkewedAccesses(seed, 12, 6);
    for (uint32_t slots = 1; slots <= 3; ++slots) {
      ASSERT_EQ(BeladyHits(accesses, 6, slots, {}),
                MostHits(accesses, 0, 0, static_cast<int>(slots)))
          << seed << ", " << slots << " slots";
    }
  }
}

TEST(BeladyTest, StartsWithTheBestOfWhatIsKnown) {
  for (uint32_t seed = 0; seed < 100; ++seed) {
    const Accesses accesses = SkewedAccesses(seed, 10, 6);
    uint64_t best = 0;
    for (uint32_t held = 0; held < 16; ++held) {  // of groups 0 to 3
      if (__builtin_popcount(held) <= 2) best = std::max(best, MostHits(accesses, 0, held, 2));
    }
    ASSERT_EQ(BeladyHits(accesses, 6, 2, {3, 1, 0, 2, 1, 3}), best) << seed;
  }
}

TEST(BeladyTest, IsAboveAllModels) {
  const Accesses accesses = SkewedAccesses(7, 200000, 5000);
  for (const uint32_t slots : {10u, 99u, 1000u, 5000u}) {
    const uint64_t best = BeladyHits(accesses, 5000, slots, {});
    for (const auto make : {NewLru, NewS3Fifo, NewWTinyLfu}) {
      const uint64_t hits = Hits(*make(5000, slots), accesses);
      EXPECT_GT(hits, 0u);
      EXPECT_LE(hits, best);
    }
  }
}

TEST(StaticHitsTest, CountsTheMostFrequentGroups) {
  EXPECT_EQ(StaticHits({4, 1, 4, 2, 4, 1}, 5, 1), 3u);
  EXPECT_EQ(StaticHits({4, 1, 4, 2, 4, 1}, 5, 2), 5u);
  EXPECT_EQ(StaticHits({4, 1, 4, 2, 4, 1}, 5, 9), 6u);
}

}  // namespace
}  // namespace engram::bench
