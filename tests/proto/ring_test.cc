// Goal: a side that waits spins where that finds something, and mostly not where it does not.
#include "proto/ring.h"

#include <gtest/gtest.h>

namespace engram::shm {
namespace {

// How many of so many waits spin, where none finds anything.
int SpinsInVain(SpinHabit* habit, int waits) {
  int spins = 0;
  for (int i = 0; i < waits; ++i) {
    if (!habit->ShouldSpin()) continue;
    ++spins;
    habit->Note(false);
  }
  return spins;
}

TEST(SpinHabitTest, SpinsWhileThatFindsPushes) {
  SpinHabit habit;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(habit.ShouldSpin());
    habit.Note(i % 2 == 0);  // every other time will do
  }
}

TEST(SpinHabitTest, InVainItSpinsOnceInAWhile) {
  SpinHabit habit;
  EXPECT_EQ(SpinsInVain(&habit, SpinHabit::kInVain), SpinHabit::kInVain);
  EXPECT_EQ(SpinsInVain(&habit, SpinHabit::kWithout), 0);
  EXPECT_EQ(SpinsInVain(&habit, 10 * (SpinHabit::kWithout + 1)), 10);
}

TEST(SpinHabitTest, APushThatWasFoundBringsTheHabitBack) {
  SpinHabit habit;
  SpinsInVain(&habit, SpinHabit::kInVain + SpinHabit::kWithout);
  ASSERT_TRUE(habit.ShouldSpin());
  habit.Note(true);
  EXPECT_TRUE(habit.ShouldSpin());
}

TEST(SpinForPushTest, FindsAPushWithAndWithoutTheHabit) {
  Ring ring = {};
  SpinHabit habit;
  SpinsInVain(&habit, SpinHabit::kInVain);
  EXPECT_FALSE(SpinForPush(ring, 0, absl::InfiniteFuture(), &habit));
  uint32_t pushes = 0;
  Push(&ring, kMaxSlots, 7, &pushes);
  EXPECT_TRUE(SpinForPush(ring, 0, absl::InfiniteFuture(), &habit));
  EXPECT_TRUE(SpinForPush(ring, 0, absl::InfiniteFuture()));
  EXPECT_FALSE(SpinForPush(ring, 1, absl::InfinitePast(), &habit));
}

}  // namespace
}  // namespace engram::shm
