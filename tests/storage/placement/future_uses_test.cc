// Goal: what is expected of a group follows from what became of those before it.
#include "storage/placement/future_uses.h"

#include <gtest/gtest.h>

namespace engram::storage {
namespace {

TEST(FutureUsesTest, AtFirstMoreUsesPromiseMore) {
  const FutureUses future(3);
  for (uint32_t order = 0; order < 3; ++order) {
    for (int uses = 1; uses < 255; ++uses) {
      EXPECT_LE(future.LevelOf(order, static_cast<uint8_t>(uses)),
                future.LevelOf(order, static_cast<uint8_t>(uses + 1)))
          << uses;
    }
    EXPECT_GT(future.LevelOf(order, 8), future.LevelOf(order, 1));
    EXPECT_GE(future.LevelOf(order, 1), future.lowest_level());
  }
}

TEST(FutureUsesTest, LearnsWhichOrdersComeBack) {
  FutureUses future(2);
  for (int group = 0; group < 10'000; ++group) {
    future.Add(0, 0, group % 10 == 0 ? 1 : 4);  // nine of ten come back
    future.Add(1, 0, group % 10 == 0 ? 4 : 1);  // one of ten does
  }
  future.Refresh();
  EXPECT_GT(future.LevelOf(0, 1), future.LevelOf(1, 1) + 8);
  EXPECT_EQ(future.LevelOf(1, 1), future.lowest_level());
}

TEST(FutureUsesTest, UsesInStepsCountAsTheSame) {
  FutureUses steps(1);
  FutureUses once(1);
  for (int group = 0; group < 1000; ++group) {
    steps.Add(0, 0, 1);
    steps.Add(0, 1, 2);
    steps.Add(0, 2, 5);
    once.Add(0, 0, 5);
  }
  steps.Refresh();
  once.Refresh();
  for (int uses = 1; uses < 256; ++uses) {
    EXPECT_EQ(steps.LevelOf(0, static_cast<uint8_t>(uses)),
              once.LevelOf(0, static_cast<uint8_t>(uses)));
  }
}

TEST(FutureUsesTest, LevelsStandForUses) {
  for (uint8_t level = 1; level <= FutureUses::kLevels; ++level) {
    EXPECT_EQ(FutureUses::LevelAt(FutureUses::UsesAt(level)), level);
  }
  EXPECT_DOUBLE_EQ(FutureUses::UsesAt(FutureUses::LevelAt(4)), 4);
  EXPECT_EQ(FutureUses::LevelAt(1e-30), 1);
  EXPECT_EQ(FutureUses::LevelAt(1e30), FutureUses::kLevels);
}

TEST(FutureUsesTest, OldExperienceFades) {
  FutureUses future(1);
  for (int group = 0; group < 2'000'000; ++group) future.Add(0, 0, 3);
  future.Refresh();
  const uint8_t before = future.LevelOf(0, 1);
  for (int round = 0; round < 4; ++round) {
    for (int group = 0; group < 2'000'000; ++group) future.Add(0, 0, 1);
    future.Refresh();
  }
  EXPECT_LT(future.LevelOf(0, 1), before - 8);
}

}  // namespace
}  // namespace engram::storage
