// Goal: what many threads push comes out once, in each one's order, and what finds no room is
// counted.
#include "storage/placement/use_ring.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace engram::storage {
namespace {

TEST(UseRingTest, KeepsOrderAndContent) {
  UseRing ring(4);
  NotedUse use;
  EXPECT_FALSE(ring.Pop(&use));
  for (uint64_t round = 0; round < 10; ++round) {
    EXPECT_TRUE(ring.Push({.group = {.hash = ~round, .order = 2}, .held = true}));
    EXPECT_TRUE(ring.Push({.group = {.hash = round, .order = (1u << 31) - 1}, .held = false}));
    ASSERT_TRUE(ring.Pop(&use));
    EXPECT_EQ(use.group.hash, ~round);
    EXPECT_EQ(use.group.order, 2u);
    EXPECT_TRUE(use.held);
    ASSERT_TRUE(ring.Pop(&use));
    EXPECT_EQ(use.group.hash, round);
    EXPECT_EQ(use.group.order, (1u << 31) - 1);
    EXPECT_FALSE(use.held);
    EXPECT_FALSE(ring.Pop(&use));
  }
  EXPECT_EQ(ring.lost(), 0u);
}

TEST(UseRingTest, AFullRingKeepsWhatCameFirst) {
  UseRing ring(8);
  for (uint64_t i = 0; i < 20; ++i) EXPECT_EQ(ring.Push({.group = {.hash = i}}), i < 8);
  EXPECT_EQ(ring.lost(), 12u);
  NotedUse use;
  for (uint64_t i = 0; i < 8; ++i) {
    ASSERT_TRUE(ring.Pop(&use));
    EXPECT_EQ(use.group.hash, i);
  }
  EXPECT_FALSE(ring.Pop(&use));
  EXPECT_TRUE(ring.Push({}));
}

TEST(UseRingTest, ManyThreadsPush) {
  constexpr uint32_t kThreads = 3;
  constexpr uint64_t kUses = 20'000;
  UseRing ring(64);
  std::vector<std::thread> threads;
  for (uint32_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&ring, thread] {
      for (uint64_t i = 1; i <= kUses; ++i) ring.Push({.group = {.hash = i, .order = thread}});
    });
  }
  std::vector<uint64_t> last(kThreads);
  uint64_t taken = 0;
  const auto take = [&] {
    for (NotedUse use; ring.Pop(&use); ++taken) {
      ASSERT_LT(use.group.order, kThreads);
      EXPECT_GT(use.group.hash, last[use.group.order]);
      last[use.group.order] = use.group.hash;
    }
  };
  while (taken + ring.lost() < kThreads * kUses) take();
  for (std::thread& thread : threads) thread.join();
  take();
  EXPECT_EQ(taken + ring.lost(), kThreads * kUses);
}

}  // namespace
}  // namespace engram::storage
