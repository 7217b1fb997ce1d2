// Goal: ranks follow what was seen to come back, class by class and age by age.
#include "storage/placement/reuse_model.h"

#include <gtest/gtest.h>

namespace engram::storage {
namespace {

constexpr uint32_t kNow = 1'000'000;

GroupHistory History(uint8_t uses, uint32_t age, uint8_t order = 0) {
  return {.last_use = kNow - age, .uses = uses, .gap = 8, .order = order};
}

void RefreshAll(ReuseModel* model) {
  for (uint32_t turn = 0; turn < model->turns(); ++turn) model->Refresh(1);
}

TEST(GroupHistoryTest, CountsUsesAndGaps) {
  GroupHistory history;
  history.AddUse(100);
  EXPECT_EQ(history.uses, 1);
  EXPECT_EQ(history.gap, 0);
  history.AddUse(100);
  EXPECT_EQ(history.gap, 0);
  history.AddUse(116);
  EXPECT_EQ(history.uses, 3);
  EXPECT_EQ(history.gap, 4);
  EXPECT_EQ(history.last_use, 116u);
  for (int i = 0; i < 1000; ++i) history.AddUse(116);
  EXPECT_EQ(history.uses, 255);
}

TEST(GroupHistoryTest, TimeMayWrap) {
  GroupHistory history = {.last_use = 0xFFFFFFF0u, .uses = 1};
  history.AddUse(0x10);
  EXPECT_EQ(history.gap, 5);
}

TEST(ReuseModelTest, AtFirstMoreUsesAndLessAgeRankHigher) {
  const ReuseModel model(1);
  EXPECT_GT(model.Rank(History(5, 1000), kNow), model.Rank(History(1, 1000), kNow));
  EXPECT_GT(model.Rank(History(2, 100), kNow), model.Rank(History(2, 10'000), kNow));
}

// Groups with one use of this order came back at this rate, whatever their age.
void Teach(ReuseModel* model, uint8_t order, float returns_per_tick) {
  constexpr float kWait = 1e7;
  for (uint32_t age = 1; age < kNow; age += (age + 3) / 4) {
    model->RecordWait(History(1, age, order), kNow, kWait);
    model->RecordReturn(History(1, age, order), kNow,
                        static_cast<uint32_t>(kWait * returns_per_tick));
  }
}

TEST(ReuseModelTest, LearnsThatAClassComesBack) {
  ReuseModel model(2);
  Teach(&model, 0, 1e-4F);
  Teach(&model, 1, 1e-5F);
  RefreshAll(&model);
  for (const uint32_t age : {10u, 1000u, 100'000u}) {
    EXPECT_NEAR(model.Rank(History(1, age, 0), kNow), 1e-4, 1e-5) << age;
    EXPECT_NEAR(model.Rank(History(1, age, 1), kNow), 1e-5, 2e-6) << age;
  }
}

// What counts is the best that can be had of a slot, even if it is to be had later only.
TEST(ReuseModelTest, AReturnAheadIsForeseen) {
  ReuseModel model(1);
  for (const uint32_t age : {1u, 10u, 100u}) model.RecordWait(History(1, age), kNow, 1e9);
  model.RecordWait(History(1, 1000), kNow, 1e5);
  model.RecordReturn(History(1, 1000), kNow, 1000);
  for (const uint32_t age : {2000u, 4000u, 8000u}) model.RecordWait(History(1, age), kNow, 1e9);
  RefreshAll(&model);
  EXPECT_GT(model.Rank(History(1, 500), kNow), 1e-4);
  EXPECT_LT(model.Rank(History(1, 8000), kNow), 2e-5);
}

TEST(ReuseModelTest, OldObservationsFade) {
  ReuseModel model(1);
  Teach(&model, 0, 1e-3F);
  for (int round = 0; round < 20; ++round) {
    for (uint32_t turn = 0; turn < model.turns(); ++turn) model.Refresh(0.5);
  }
  Teach(&model, 0, 1e-5F);
  RefreshAll(&model);
  EXPECT_NEAR(model.Rank(History(1, 1000), kNow), 1e-5, 1e-6);
}

TEST(ReuseModelTest, HistoriesOfUnknownOrdersCountAsTheLast) {
  ReuseModel model(2);
  model.RecordWait(History(1, 1000, 1), kNow, 1e7);
  model.RecordReturn(History(1, 1000, 7), kNow, 1000);
  RefreshAll(&model);
  EXPECT_EQ(model.Rank(History(1, 1000, 7), kNow), model.Rank(History(1, 1000, 1), kNow));
}

}  // namespace
}  // namespace engram::storage
