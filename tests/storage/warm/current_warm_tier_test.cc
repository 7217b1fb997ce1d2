// Goal: what the cache tells reaches the tier that is there, and a tier can be replaced under
// users.
#include "storage/warm/current_warm_tier.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "storage/ram/group_hash.h"
#include "tests/storage/cold/cold_testing.h"
#include "tests/storage/ram/ram_testing.h"

namespace engram::storage {
namespace {

constexpr uint64_t kSeed = 77;

class CurrentWarmTierTest : public testing::Test {
 protected:
  void SetUp() override {
    engine_ = *NewReadEngine({});
    auto database = SegmentDatabase::Open(dir_, engine_.get(), DatabaseConfig());
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
  }
  void TearDown() override {
    current_.Replace(nullptr);
    database_.reset();
  }

  std::shared_ptr<WarmTier> NewTier(uint64_t uid) {
    auto tier = WarmTier::Create(
        spec_, disk_, ram_, {.disk_bytes = uint64_t{4} << 20, .hash_seed = kSeed},
        [&](const SegmentShape& shape) { return database_->OpenStore(uid, shape); });
    EXPECT_TRUE(tier.ok()) << tier.status();
    return *std::move(tier);
  }

  void Leave(uint64_t group) {
    const std::vector<RowId> ids = GroupIds(spec_, {group});
    const uint64_t hash = HashGroup(ids.data(), ids.size() * sizeof(RowId), kSeed);
    current_.OnLeave({.hash = hash, .order = 0}, 1, ids.data(), MakeRows(spec_, ids).data());
  }

  const TableSpec spec_ = MakeSpec(4'000'000'000, 264, 8);
  const std::string dir_ = TestDir() + "/warm";
  std::unique_ptr<ReadEngine> engine_;
  std::unique_ptr<SegmentDatabase> database_;
  std::shared_ptr<ByteBudget> disk_ = std::make_shared<ByteBudget>(uint64_t{64} << 20);
  std::shared_ptr<ByteBudget> ram_ = std::make_shared<ByteBudget>(uint64_t{64} << 20);
  CurrentWarmTier current_{5};
};

TEST_F(CurrentWarmTierTest, WithoutATierNothingIsCollected) {
  EXPECT_EQ(current_.uid(), 5u);
  EXPECT_EQ(current_.Get(), nullptr);
  Leave(1);
  current_.OnEnter({.hash = 1, .order = 0}, 0);
  EXPECT_EQ(current_.Stats().groups, 0u);
}

TEST_F(CurrentWarmTierTest, WhatATierCountedIsKeptAndWhatItHeldIsNot) {
  EXPECT_EQ(current_.Replace(NewTier(1)), nullptr);
  const size_t records = current_.Get()->CollectRoom();
  for (uint64_t group = 0; group < records; ++group) Leave(group);
  current_.Get()->Step(absl::Now());
  EXPECT_EQ(current_.Stats().groups, records);
  EXPECT_NE(current_.Replace(nullptr), nullptr);
  EXPECT_EQ(current_.Stats().groups, 0u);
  EXPECT_EQ(current_.Stats().disk_bytes, 0u);
  EXPECT_EQ(current_.Stats().admissions, records);
  current_.Replace(NewTier(2));
  for (uint64_t group = 0; group < records; ++group) Leave(group);
  current_.Get()->Step(absl::Now());
  EXPECT_EQ(current_.Stats().groups, records);
  EXPECT_EQ(current_.Stats().admissions, 2 * records);
}

TEST_F(CurrentWarmTierTest, IsReplacedWhileOthersUseIt) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < 2; ++thread) {
    threads.emplace_back([&, thread] {
      for (uint64_t group = thread; !stop.load(); ++group) {
        Leave(group);
        const std::vector<RowId> ids = GroupIds(spec_, {group});
        if (const auto tier = current_.Get(); tier != nullptr) tier->Find(ids.data());
        current_.Stats();
      }
    });
  }
  for (uint64_t round = 0; round < 50; ++round) {
    std::shared_ptr<WarmTier> before = current_.Replace(round % 2 == 0 ? NewTier(1) : nullptr);
    while (before.use_count() > 1) std::this_thread::yield();
    before.reset();
    if (round % 2 == 0) current_.Get()->Step(absl::Now());
  }
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(disk_->used_bytes(), 0u);
  EXPECT_EQ(ram_->used_bytes(), 0u);
}

}  // namespace
}  // namespace engram::storage
