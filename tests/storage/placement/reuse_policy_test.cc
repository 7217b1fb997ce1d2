// Goal: groups in use stay, a scan passes by, and nothing but occupied slots is evicted.
#include "storage/placement/reuse_policy.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <memory>
#include <random>
#include <set>
#include <thread>
#include <unordered_map>
#include <vector>

#include "tests/storage/placement/placement_testing.h"

namespace engram::storage {
namespace {

GroupKey Key(uint64_t group) { return {.hash = HashOf(group), .order = 0}; }

// A cache of groups without rows.
class Cache {
 public:
  explicit Cache(uint32_t slots, ReusePolicyOptions options = {.random_seed = 1})
      : policy_(options), state_(policy_.StateBytes(slots) / sizeof(Line) + 1), held_(slots) {
    policy_.Init(reinterpret_cast<std::byte*>(state_.data()), slots);
  }

  // Returns whether it was a hit.
  bool Use(uint64_t group) {
    if (const auto found = slots_.find(group); found != slots_.end()) {
      policy_.OnHit({found->second});
      return true;
    }
    SlotId slot = static_cast<SlotId>(slots_.size());
    if (slots_.size() == held_.size()) {
      const std::optional<SlotId> victim = policy_.PickVictim(Key(group));
      if (!victim.has_value()) return false;
      slot = *victim;
      EXPECT_EQ(slots_.count(held_[slot]), 1u);
      policy_.OnRemove(slot, Key(held_[slot]));
      slots_.erase(held_[slot]);
    }
    policy_.OnInsert(slot, Key(group));
    slots_[group] = slot;
    held_[slot] = group;
    return false;
  }

  bool Holds(uint64_t group) const { return slots_.count(group) > 0; }
  ReusePolicy& policy() { return policy_; }

 private:
  struct alignas(64) Line {
    std::array<std::byte, 64> bytes;
  };

  ReusePolicy policy_;
  std::vector<Line> state_;
  std::unordered_map<uint64_t, SlotId> slots_;
  std::vector<uint64_t> held_;
};

TEST(ReusePolicyTest, WhatIsUsedStays) {
  Cache cache(100);
  size_t misses = 0;
  for (uint64_t round = 0; round < 2000; ++round) {
    for (uint64_t group = 0; group < 50; ++group) misses += !cache.Use(group);
    for (uint64_t other = 0; other < 20; ++other) cache.Use(1000 + round * 20 + other);
  }
  EXPECT_EQ(misses, 50u);
}

TEST(ReusePolicyTest, AScanPassesBy) {
  Cache cache(10'000);
  std::mt19937_64 random(1);
  const auto use_popular = [&](int times) {
    int hits = 0;
    for (int i = 0; i < times; ++i) {
      // Frequency falls with the square root of rank, over twice what fits.
      const double u = static_cast<double>(random() >> 11) * 0x1p-53;
      hits += cache.Use(static_cast<uint64_t>(40'000 * u * u));
    }
    return static_cast<double>(hits) / times;
  };
  use_popular(1'000'000);
  const double before = use_popular(50'000);
  for (uint64_t group = 0; group < 200'000; ++group) cache.Use(1'000'000 + group);
  const double after = use_popular(50'000);
  EXPECT_GT(before, 0.45);
  EXPECT_GT(after, before - 0.02);
}

TEST(ReusePolicyTest, WhatBecomesPopularGetsIn) {
  Cache cache(1000);
  for (int round = 0; round < 100; ++round) {
    for (uint64_t group = 0; group < 1000; ++group) cache.Use(group);
  }
  for (int round = 0; round < 200; ++round) {
    for (uint64_t group = 5000; group < 5500; ++group) cache.Use(group);
  }
  int hits = 0;
  for (uint64_t group = 5000; group < 5500; ++group) hits += cache.Use(group);
  EXPECT_GT(hits, 490);
}

// A cycle longer than the cache is all misses to LRU; part of it kept is hits.
TEST(ReusePolicyTest, KeepsAPartOfALongCycle) {
  Cache cache(1000);
  int hits = 0;
  for (int round = 0; round < 100; ++round) {
    for (uint64_t group = 0; group < 2000; ++group) hits += cache.Use(group) && round >= 50;
  }
  EXPECT_GT(hits, 50 * 2000 * 2 / 5);
}

TEST(ReusePolicyTest, EmptySlotsAreNeverPicked) {
  ReusePolicy policy({.random_seed = 3});
  std::vector<std::byte> memory(policy.StateBytes(4096) + 64);
  void* state = memory.data();
  size_t space = memory.size();
  policy.Init(static_cast<std::byte*>(std::align(64, space - 64, state, space)), 4096);
  std::set<SlotId> occupied = {2, 50, 4000};
  for (const SlotId slot : occupied) policy.OnInsert(slot, Key(slot));
  policy.OnHit({7});
  while (!occupied.empty()) {
    const std::optional<SlotId> victim = policy.PickVictim(Key(99));
    if (!victim.has_value()) {
      policy.OnRemove(*occupied.rbegin(), Key(*occupied.rbegin()));
      occupied.erase(*occupied.rbegin());
      continue;
    }
    ASSERT_EQ(occupied.count(*victim), 1u) << *victim;
    policy.OnRemove(*victim, Key(*victim));
    occupied.erase(*victim);
  }
}

TEST(ReusePolicyTest, PicksTheLeastWorthyOfSome) {
  Cache cache(100);
  for (uint64_t group = 0; group < 100; ++group) cache.Use(group);
  for (int i = 0; i < 10; ++i) cache.policy().OnHit({3, 4});
  EXPECT_EQ(cache.policy().PickVictimAmong({3, 4, 7}), 7u);
  EXPECT_EQ(cache.policy().PickVictimAmong({3}), 3u);
}

TEST(ReusePolicyTest, ACacheOfOneSlotWorks) {
  Cache cache(1);
  for (uint64_t round = 0; round < 1000; ++round) cache.Use(round % 3);
}

TEST(ReusePolicyTest, StateIsBounded) {
  const ReusePolicy policy({.ghosts_per_slot = 2});
  EXPECT_LE(policy.StateBytes(1'000'000), 24'000'128u);
  const ReusePolicy without({.ghosts_per_slot = 0});
  EXPECT_LE(without.StateBytes(1'000'000), 8'000'064u);
}

TEST(ReusePolicyTest, TheSameSeedMakesTheSameChoices) {
  Cache one(500, {.random_seed = 5});
  Cache two(500, {.random_seed = 5});
  std::mt19937_64 random(9);
  for (int i = 0; i < 100'000; ++i) {
    const uint64_t group = random() % (1 + random() % 3000);
    ASSERT_EQ(one.Use(group), two.Use(group)) << i;
  }
}

TEST(ReusePolicyThreadsTest, HitsAlongsideEvictionsLoseNoSlot) {
  constexpr uint32_t kFew = 64;
  Cache cache(kFew);
  std::vector<SlotId> all;
  for (uint32_t slot = 0; slot < kFew; ++slot) {
    cache.Use(slot);
    all.push_back(slot);
  }
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    while (!stop.load(std::memory_order_relaxed)) cache.policy().OnHit(all);
  });
  std::set<SlotId> removed;
  while (removed.size() < kFew) {
    const std::optional<SlotId> victim = cache.policy().PickVictim(Key(1000 + removed.size()));
    if (!victim.has_value()) continue;
    ASSERT_TRUE(removed.insert(*victim).second) << *victim;
    cache.policy().OnRemove(*victim, Key(*victim));
  }
  stop.store(true);
  reader.join();
}

}  // namespace
}  // namespace engram::storage
