// Goal: stall and reads at other hit ratios follow from what was measured at one.
#include "storage/placement/stall_model.h"

#include <gtest/gtest.h>

#include <cmath>

namespace engram::storage {
namespace {

// One fetch in five of three groups needs the disk, and then comes 500 us late.
constexpr TableTraffic kTraffic = {.fetches_per_second = 100,
                                   .groups_per_fetch = 3,
                                   .hit_ratio = 0.9,
                                   .disk_share = 0.2,
                                   .late_seconds = 500e-6,
                                   .reads_per_miss = 8};

TEST(StallModelTest, AtTheMeasuredHitRatioSaysWhatWasMeasured) {
  const StallModel model(kTraffic);
  EXPECT_NEAR(model.StallSeconds(0.9), 0.2 * 500e-6, 1e-12);
  EXPECT_NEAR(model.ReadsPerFetch(0.9), 2.4, 1e-12);
  EXPECT_NEAR(model.CostRate(0.9), 100 * (100e-6 + 2.4 * StallModel::kReadSeconds), 1e-9);
}

TEST(StallModelTest, GroupsThatHitTogetherCountAsFewer) {
  const StallModel model(kTraffic);
  EXPECT_NEAR(model.independent_groups(), std::log(0.8) / std::log(0.9), 1e-9);
  TableTraffic independent = kTraffic;
  independent.disk_share = 1 - std::pow(0.9, 3);
  EXPECT_NEAR(StallModel(independent).independent_groups(), 3, 1e-9);
  TableTraffic worse = kTraffic;  // cannot be, but for counters read at different moments
  worse.disk_share = 0.9;
  EXPECT_EQ(StallModel(worse).independent_groups(), 3);
}

TEST(StallModelTest, WhatCannotBeMeasuredIsTheGroupsOfAFetch) {
  for (const auto& [hit_ratio, disk_share] :
       {std::pair(0.0, 1.0), {1.0, 0.0}, {0.9, 0.0}, {0.9, 1.0}, {1.0, 0.2}}) {
    TableTraffic traffic = kTraffic;
    traffic.hit_ratio = hit_ratio;
    traffic.disk_share = disk_share;
    EXPECT_EQ(StallModel(traffic).independent_groups(), 3) << hit_ratio << " " << disk_share;
  }
  EXPECT_GT(StallModel(TableTraffic()).independent_groups(), 0);
  EXPECT_EQ(StallModel(TableTraffic()).CostRate(0), 0);
}

TEST(StallModelTest, EndsAreExact) {
  const StallModel model(kTraffic);
  EXPECT_EQ(model.StallSeconds(1), 0);
  EXPECT_EQ(model.ReadsPerFetch(1), 0);
  EXPECT_EQ(model.StallSeconds(0), 500e-6);
  EXPECT_EQ(model.ReadsPerFetch(0), 24);
}

TEST(StallModelTest, WhereNobodyWaitsReadsAreLeft) {
  TableTraffic hidden = kTraffic;
  hidden.late_seconds = 0;
  const StallModel model(hidden);
  EXPECT_EQ(model.StallSeconds(0.5), 0);
  EXPECT_GT(model.CostRate(0.5), model.CostRate(0.6));
  EXPECT_LT(model.CostRate(0.5), StallModel(kTraffic).CostRate(0.5));
}

}  // namespace
}  // namespace engram::storage
