// Goal: steps come due by their periods, in the order in which they have waited, and none is called
// twice to make up for time lost.
#include "storage/fetch/step_schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace engram::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class StepScheduleTest : public testing::Test {
 protected:
  void Add(const std::string& name, int seconds) {
    schedule_.Add(name, absl::Seconds(seconds),
                  [this, name](absl::Time /*now*/) { called_.push_back(name); });
  }

  // What is called if time has come so far.
  std::vector<std::string> CallsAt(int second) {
    called_.clear();
    const absl::Time now = absl::UnixEpoch() + absl::Seconds(second);
    for (auto step = schedule_.Take(now); step != nullptr; step = schedule_.Take(now)) step(now);
    return called_;
  }

  StepSchedule schedule_;
  std::vector<std::string> called_;
};

TEST_F(StepScheduleTest, NothingIsDueWithoutSteps) {
  EXPECT_THAT(CallsAt(0), IsEmpty());
  EXPECT_EQ(schedule_.NextDue(), absl::InfiniteFuture());
}

TEST_F(StepScheduleTest, StepsComeByTheirPeriods) {
  Add("often", 1);
  Add("seldom", 3);
  EXPECT_THAT(CallsAt(0), ElementsAre("often", "seldom"));
  EXPECT_EQ(schedule_.NextDue(), absl::UnixEpoch() + absl::Seconds(1));
  EXPECT_THAT(CallsAt(0), IsEmpty());
  EXPECT_THAT(CallsAt(1), ElementsAre("often"));
  EXPECT_THAT(CallsAt(2), ElementsAre("often"));
  EXPECT_THAT(CallsAt(3), ElementsAre("often", "seldom"));
}

TEST_F(StepScheduleTest, WhoHasWaitedLongestComesFirst) {
  Add("often", 2);
  Add("seldom", 3);
  CallsAt(0);
  CallsAt(2);
  EXPECT_THAT(CallsAt(10), ElementsAre("seldom", "often"));
}

TEST_F(StepScheduleTest, TimeLostIsNotMadeUpFor) {
  Add("often", 1);
  CallsAt(0);
  EXPECT_THAT(CallsAt(100), ElementsAre("often"));
  EXPECT_EQ(schedule_.NextDue(), absl::UnixEpoch() + absl::Seconds(101));
}

TEST_F(StepScheduleTest, ANewStepIsDueAtOnce) {
  Add("first", 5);
  CallsAt(0);
  Add("second", 5);
  EXPECT_THAT(CallsAt(1), ElementsAre("second"));
}

}  // namespace
}  // namespace engram::storage
