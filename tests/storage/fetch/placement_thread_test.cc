// Goal: steps run again and again on one thread, whenever they were added, and it stops at once.
#include "storage/fetch/placement_thread.h"

#include <gtest/gtest.h>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"

namespace engram::storage {
namespace {

TEST(PlacementThreadTest, CallsStepsAgainAndAgain) {
  constexpr int kCalls = 3;
  absl::BlockingCounter calls(2 * kCalls);
  int left[] = {kCalls, kCalls};
  PlacementThread thread;
  for (int& of_step : left) {
    thread.AddStep("step", absl::Milliseconds(1), [&calls, &of_step](absl::Time) {
      if (of_step-- > 0) calls.DecrementCount();
    });
  }
  calls.Wait();
}

TEST(PlacementThreadTest, StopsWithoutWaitingForAPeriod) {
  const absl::Time start = absl::Now();
  {
    absl::Notification called;
    PlacementThread thread;
    thread.AddStep("seldom", absl::Hours(1), [&](absl::Time) { called.Notify(); });
    called.WaitForNotification();
  }
  EXPECT_LT(absl::Now() - start, absl::Minutes(1));
}

TEST(PlacementThreadTest, AStepAddedLaterRunsWhileOthersWait) {
  absl::Notification called, called_later;
  PlacementThread thread;
  thread.AddStep("seldom", absl::Hours(1), [&](absl::Time) { called.Notify(); });
  called.WaitForNotification();
  thread.AddStep("later", absl::Hours(1), [&](absl::Time) { called_later.Notify(); });
  called_later.WaitForNotification();
}

}  // namespace
}  // namespace engram::storage
