// Goal: many readers and writers at once, with constant eviction and memory moving between tables:
// every byte served is right, and the budget holds at every moment.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <random>
#include <thread>

#include "storage/ram/group_cache.h"
#include "tests/storage/ram/ram_testing.h"

namespace engram::storage {
namespace {

constexpr int kRounds = kSanitized ? 300 : 3000;
constexpr uint64_t kBudget = 1 << 20;

class GroupCacheStressTest : public testing::Test {
 protected:
  void Start(std::function<void(std::mt19937_64&)> work) {
    threads_.emplace_back([work = std::move(work), seed = threads_.size()] {
      std::mt19937_64 random(seed);
      for (int round = 0; round < kRounds; ++round) work(random);
    });
  }
  void Read(GroupCache& cache, const TableSpec& spec, uint64_t groups) {
    Start([&cache, &spec, groups, this](std::mt19937_64& random) {
      hits_ += LookUpGroups(cache, spec, Range(random() % groups, random() % 50));
      ASSERT_LE(budget_->used_bytes(), kBudget);
    });
  }
  void Write(GroupCache& cache, const TableSpec& spec, uint64_t groups) {
    Start([&cache, &spec, groups](std::mt19937_64& random) {
      AdmitGroups(cache, spec, Range(random() % groups, random() % 30));
    });
  }
  void Join() {
    for (std::thread& thread : threads_) thread.join();
    EXPECT_GT(hits_.load(), 0u);
    EXPECT_LE(budget_->used_bytes(), kBudget);
  }

  std::shared_ptr<ByteBudget> budget_ = std::make_shared<ByteBudget>(kBudget);
  std::shared_ptr<RamShares> shares_ = std::make_shared<RamShares>(budget_);
  std::vector<std::thread> threads_;
  std::atomic<uint64_t> hits_{0};
};

TEST_F(GroupCacheStressTest, ReadersAndWritersOfOneTable) {
  const TableSpec spec = MakeSpec(1'000'000, 100, 8);
  const auto cache = MakeCache(spec, shares_);
  for (int i = 0; i < 3; ++i) Read(*cache, spec, 3000);
  for (int i = 0; i < 2; ++i) Write(*cache, spec, 3000);
  Join();
  const RamTierStats stats = cache->Stats();
  EXPECT_GT(stats.evictions, 0u);
  EXPECT_EQ(LookUpGroups(*cache, spec, Range(0, 3100)) * 8, stats.rows);
}

TEST_F(GroupCacheStressTest, TablesThatTakeMemoryFromEachOther) {
  const TableSpec spec = MakeSpec(1'000'000, 264, 8);
  const TableSpec small_spec = MakeSpec(2'000'000, 40, 2);
  const auto cache = MakeCache(spec, shares_);
  const auto small_cache = MakeCache(small_spec, shares_);
  Read(*cache, spec, 1000);
  Read(*small_cache, small_spec, 20'000);
  Write(*cache, spec, 1000);
  Write(*small_cache, small_spec, 20'000);
  // A third table comes and goes.
  Start([this, &spec](std::mt19937_64& random) {
    const auto passing = MakeCache(spec, shares_);
    const std::vector<uint64_t> groups = Range(random() % 1000, 20);
    for (int i = 0; i < 5; ++i) AdmitGroups(*passing, spec, groups);
    LookUpGroups(*passing, spec, groups);
  });
  Join();
  EXPECT_EQ(LookUpGroups(*cache, spec, Range(0, 1100)) * 8, cache->Stats().rows);
  EXPECT_EQ(cache->Stats().bytes + small_cache->Stats().bytes, budget_->used_bytes());
}

}  // namespace
}  // namespace engram::storage
