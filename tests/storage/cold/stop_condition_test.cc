// Goal: a read goes on until its deadline passes or its caller cancels, and is told which.
#include "storage/cold/stop_condition.h"

#include <gtest/gtest.h>

namespace engram::storage {
namespace {

TEST(StopConditionTest, WithoutAnyItGoesOn) {
  EXPECT_TRUE(StopCondition(absl::InfiniteFuture()).Check().ok());
  EXPECT_TRUE(StopCondition(absl::Now() + absl::Hours(1)).Check().ok());
  const CancelFlag never = 0;
  EXPECT_TRUE(StopCondition(absl::InfiniteFuture(), &never).Check().ok());
}

TEST(StopConditionTest, ADeadlineThatPassed) {
  for (const absl::Time deadline : {absl::Now() - absl::Seconds(1), absl::InfinitePast()}) {
    EXPECT_EQ(StopCondition(deadline).Check().code(), absl::StatusCode::kDeadlineExceeded);
  }
}

TEST(StopConditionTest, WhoeverCancelsSeesToItAtOnce) {
  CancelFlag cancelled = 0;
  const StopCondition stop(absl::Now() - absl::Seconds(1), &cancelled);
  EXPECT_EQ(stop.Check().code(), absl::StatusCode::kDeadlineExceeded);
  cancelled = 1;
  EXPECT_EQ(stop.Check().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace engram::storage
