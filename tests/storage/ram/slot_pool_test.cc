// Goal: no slot is handed out while a reader may look at it; memory follows the budget.
#include "storage/ram/slot_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <optional>
#include <set>

namespace engram::storage {
namespace {

constexpr uint64_t kSlotBytes = 1000;

class SlotPoolTest : public testing::Test {
 protected:
  // Slots that can be taken, growing the pool as far as it goes.
  static std::set<SlotId> TakeAll(SlotPool& pool) {
    std::set<SlotId> taken;
    do {
      while (const std::optional<SlotId> slot = pool.Take()) {
        EXPECT_TRUE(taken.insert(*slot).second);
        std::memset(pool.Slot(*slot), 0xEE, kSlotBytes);
      }
    } while (pool.Grow(0));
    return taken;
  }

  std::shared_ptr<ByteBudget> budget_ = std::make_shared<ByteBudget>(16384);
};

TEST_F(SlotPoolTest, GrowsInStepsUntilTheBudgetIsSpent) {
  SlotPool pool(budget_, kSlotBytes, 1000, 4096);
  EXPECT_EQ(pool.Take(), std::nullopt);
  EXPECT_EQ(pool.NextGrowth(), 4096u);
  EXPECT_TRUE(pool.Grow(0));
  EXPECT_EQ(budget_->used_bytes(), 4096u);
  EXPECT_EQ(TakeAll(pool).size(), 16u);  // a slot may cross the border between two steps
  EXPECT_EQ(budget_->used_bytes(), 16384u);
  EXPECT_EQ(pool.end(), 16u);
}

TEST_F(SlotPoolTest, StopsAtItsLargestSize) {
  SlotPool pool(budget_, kSlotBytes, 5, 4096);
  EXPECT_EQ(TakeAll(pool).size(), 5u);
  EXPECT_EQ(pool.NextGrowth(), 0u);
  EXPECT_EQ(budget_->used_bytes(), 8192u);
}

TEST_F(SlotPoolTest, OneSlotMayTakeSeveralSteps) {
  SlotPool pool(budget_, 10'000, 5, 4096);
  EXPECT_EQ(pool.NextGrowth(), 12288u);
  EXPECT_TRUE(pool.Grow(0));
  EXPECT_EQ(pool.Take(), 0u);
  EXPECT_EQ(pool.Take(), std::nullopt);
  EXPECT_FALSE(pool.Grow(0));
}

TEST_F(SlotPoolTest, LeavesHeadroom) {
  SlotPool pool(budget_, kSlotBytes, 1000, 4096);
  EXPECT_FALSE(pool.Grow(16384 - 4095));
  EXPECT_TRUE(pool.Grow(16384 - 4096));
}

TEST_F(SlotPoolTest, RetiredSlotsComeBackWhenReadersLeft) {
  SlotPool pool(budget_, kSlotBytes, 4, 4096);
  EXPECT_EQ(TakeAll(pool).size(), 4u);
  {
    const ReaderEpochs::Guard guard = pool.Enter();
    pool.Retire(2);
    for (int i = 0; i < 5; ++i) pool.Reclaim();
    EXPECT_EQ(pool.retired(), 1u);
    EXPECT_EQ(pool.Take(), std::nullopt);
  }
  {
    const ReaderEpochs::Guard late = pool.Enter();  // cannot have seen slot 2
    pool.Reclaim();
    EXPECT_EQ(pool.retired(), 0u);
    EXPECT_EQ(pool.Take(), 2u);
  }
  EXPECT_EQ(pool.Take(), std::nullopt);
}

TEST_F(SlotPoolTest, SlotsRetiredInDifferentEpochsWaitForTheirOwnReaders) {
  SlotPool pool(budget_, kSlotBytes, 4, 4096);
  TakeAll(pool);
  auto early = std::make_unique<ReaderEpochs::Guard>(pool.Enter());
  pool.Retire(0);
  pool.Reclaim();  // one epoch on
  const ReaderEpochs::Guard late = pool.Enter();
  pool.Retire(1);
  early.reset();
  pool.Reclaim();
  EXPECT_EQ(pool.Take(), 0u);
  EXPECT_EQ(pool.Take(), std::nullopt);
  EXPECT_EQ(pool.retired(), 1u);
}

TEST_F(SlotPoolTest, BoundsWhatWaits) {
  SlotPool pool(budget_, kSlotBytes, 16, 4096);
  EXPECT_EQ(pool.retired_limit(), 1u);
  TakeAll(pool);
  EXPECT_EQ(pool.retired_limit(), 2u);
}

TEST_F(SlotPoolTest, ShrinksFromTheEnd) {
  SlotPool pool(budget_, kSlotBytes, 16, 4096);
  TakeAll(pool);
  pool.Retire(1);
  pool.Retire(14);
  pool.Reclaim();
  pool.Retire(15);  // and 14 is free, 1 is free
  EXPECT_EQ(pool.BeginShrink(5000), 8u);
  EXPECT_TRUE(pool.shrinking());
  EXPECT_FALSE(pool.Grow(0));
  EXPECT_EQ(budget_->used_bytes(), 16384u);
  pool.Reclaim();
  EXPECT_FALSE(pool.shrinking());
  EXPECT_EQ(budget_->used_bytes(), 8192u);
  EXPECT_EQ(pool.bytes(), 8192u);
  EXPECT_EQ(pool.Take(), 1u);
  EXPECT_EQ(pool.Take(), std::nullopt);
  EXPECT_TRUE(pool.Grow(0));
  EXPECT_EQ(pool.Take(), 8u);
}

TEST_F(SlotPoolTest, AReaderKeepsTheMemoryGivenBack) {
  SlotPool pool(budget_, kSlotBytes, 16, 4096);
  TakeAll(pool);
  auto guard = std::make_unique<ReaderEpochs::Guard>(pool.Enter());
  const SlotId end = pool.BeginShrink(4096);
  for (SlotId slot = end; slot < 16; ++slot) pool.Retire(slot);
  for (int i = 0; i < 3; ++i) pool.Reclaim();
  EXPECT_TRUE(pool.shrinking());
  EXPECT_EQ(*pool.Slot(15), std::byte{0xEE});
  guard.reset();
  pool.Reclaim();
  EXPECT_FALSE(pool.shrinking());
  EXPECT_EQ(budget_->used_bytes(), 12288u);
}

TEST_F(SlotPoolTest, APostponedShrinkWaitsForReadersFromThenOn) {
  SlotPool pool(budget_, kSlotBytes, 16, 4096);
  TakeAll(pool);
  pool.BeginShrink(4096);
  pool.PostponeShrink();
  for (int i = 0; i < 3; ++i) pool.Reclaim();
  EXPECT_TRUE(pool.shrinking());
  auto guard = std::make_unique<ReaderEpochs::Guard>(pool.Enter());
  pool.ResumeShrink();
  for (int i = 0; i < 3; ++i) pool.Reclaim();
  EXPECT_EQ(budget_->used_bytes(), 16384u);
  EXPECT_EQ(*pool.Slot(15), std::byte{0xEE});
  guard.reset();
  pool.Reclaim();
  EXPECT_FALSE(pool.shrinking());
  EXPECT_EQ(budget_->used_bytes(), 12288u);
}

TEST_F(SlotPoolTest, MayShrinkToNothingAndGrowAgain) {
  SlotPool pool(budget_, kSlotBytes, 16, 4096);
  TakeAll(pool);
  EXPECT_EQ(pool.BeginShrink(1 << 20), 0u);
  pool.Reclaim();
  EXPECT_EQ(budget_->used_bytes(), 0u);
  EXPECT_EQ(pool.Take(), std::nullopt);
  EXPECT_EQ(TakeAll(pool).size(), 16u);
}

}  // namespace
}  // namespace engram::storage
