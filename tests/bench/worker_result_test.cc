// Goal: stalls are told by layer and by what a step had to read, and what the device alone would
// cost follows from the reads of each step.
#include "tests/bench/worker_result.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace engram::bench {
namespace {

const std::vector<WorkerLayer> kLayers = {
    {.name = "1", .window = absl::Microseconds(250), .group_rows = 8},
    {.name = "14", .window = absl::Microseconds(3500), .group_rows = 8}};

// Two steps of one token each; `us` is all the time that they took.
PacedRun RunOf(double us, std::vector<PacedFetch> first, std::vector<PacedFetch> second) {
  return {.time = absl::Microseconds(us),
          .tokens = 2,
          .fetches = {std::move(first), std::move(second)}};
}

using Rounds = std::vector<BurstTimes::Round>;

const std::vector<PacedFetch> kFromRam(2, {.groups = 3});

TEST(BurstTimesTest, LieOnLinesThroughWhatWasMeasured) {
  const BurstTimes times(
      Rounds{{{8, 200}, {24, 600}}, {{8, 300}, {24, 300}}, {{8, 250}, {24, 900}}});
  EXPECT_EQ(times.UsFor(0, 0), 0);
  EXPECT_EQ(times.UsFor(1, 0), 200);
  EXPECT_EQ(times.UsFor(8, 0), 200);
  EXPECT_EQ(times.UsFor(16, 0), 400);
  EXPECT_EQ(times.UsFor(24, 0), 600);
  EXPECT_EQ(times.UsFor(48, 0), 1200);
  EXPECT_EQ(times.UsFor(16, 1), 300);
  EXPECT_EQ(BurstTimes(Rounds{{{8, 200}}}).UsFor(16, 0), 400);
  EXPECT_EQ(times.Medians(), (BurstTimes::Round{{8, 250}, {24, 600}}));
}

TEST(WorkerResultTest, LossIsAgainstTheBaselinesSteps) {
  WorkerResult baseline;
  baseline.Add({.time = absl::Milliseconds(20), .tokens = 2}, 2);
  WorkerResult result;
  result.Add(RunOf(25'000, kFromRam, kFromRam), 2);
  EXPECT_DOUBLE_EQ(result.LossAgainst(baseline), 0.2);
  EXPECT_EQ(result.tokens(), 2u);
  EXPECT_DOUBLE_EQ(result.tokens_per_s().at(0), 80);
}

TEST(WorkerResultTest, StallsAreToldByLayerAndByReads) {
  WorkerResult result;
  result.Add(RunOf(20'000, {{.stall_us = 0, .groups = 3}, {.stall_us = 90, .groups = 3, .warm = 1}},
                   kFromRam),
             2);
  result.Add(
      RunOf(20'000, {{.stall_us = 10, .groups = 3}, {.stall_us = 500, .groups = 3, .cold = 2}},
            kFromRam),
      2);
  const nlohmann::json by_layer = result.StallByLayer(kLayers);
  const nlohmann::json& first = by_layer.at("1");
  EXPECT_EQ(first.at("window_us"), 250);
  EXPECT_EQ(first.at("mean_us"), 150);
  EXPECT_EQ(first.at("late_fraction"), 0.75);
  EXPECT_EQ(first.at("late_p50_us"), 90);
  EXPECT_DOUBLE_EQ(first.at("ram"), 9.0 / 12);
  EXPECT_DOUBLE_EQ(first.at("warm"), 1.0 / 12);
  EXPECT_DOUBLE_EQ(first.at("cold"), 2.0 / 12);
  EXPECT_EQ(first.at("by_reads"),
            (nlohmann::json{{"0", {{"steps", 2}, {"mean_us", 5}, {"late_fraction", 0.5}}},
                            {"3", {{"steps", 1}, {"mean_us", 90}, {"late_fraction", 1}}},
                            {"16", {{"steps", 1}, {"mean_us", 500}, {"late_fraction", 1}}}}));
  EXPECT_EQ(by_layer.at("14").at("late_fraction"), 0);
  EXPECT_DOUBLE_EQ(result.LateFraction(), 3.0 / 8);
  EXPECT_EQ(result.StallP99Us(), 500);
}

TEST(WorkerResultTest, WhatTheFirstLayerWaitsGivesLaterOnesTime) {
  const BurstTimes device(Rounds{{{8, 4250}}});
  WorkerResult result;
  result.Add(RunOf(20'000, {{.groups = 3, .cold = 1}, {.groups = 3}},
                   {{.groups = 3, .cold = 1}, {.groups = 3, .cold = 1}}),
             2);
  // 4 ms in the first step, of which the other layer takes nothing more; 750 us in the second.
  EXPECT_DOUBLE_EQ(result.DeviceLoss(kLayers, device, absl::Milliseconds(10)), 4.75 / 24.75);
}

TEST(WorkerResultTest, TheDeviceIsLateInSomeRoundsThoughNotInTheMedian) {
  const BurstTimes device(Rounds{{{8, 250}}, {{8, 650}}, {{8, 200}}, {{8, 200}}});
  WorkerResult result;
  result.Add(RunOf(20'000, {{.groups = 3, .cold = 1}, {.groups = 3}}, kFromRam), 2);
  // A quarter of 400 us, in the first step.
  EXPECT_DOUBLE_EQ(result.DeviceLoss(kLayers, device, absl::Milliseconds(10)), 100 / 20'100.0);
}

}  // namespace
}  // namespace engram::bench
