#include "storage/fetch/deadline_timer.h"

#include <gmock/gmock.h>

#include <future>
#include <memory>
#include <vector>

#include "absl/time/clock.h"

namespace engram::storage {
namespace {

TEST(DeadlineTimerTest, CallsInTheOrderOfTheirTimesAndNotBefore) {
  DeadlineTimer timer;
  const absl::Time start = absl::Now();
  std::vector<int> order;
  std::promise<absl::Time> last;
  timer.At(start + absl::Milliseconds(30), [&] {
    order.push_back(3);
    last.set_value(absl::Now());
  });
  timer.At(start + absl::Milliseconds(20), [&] { order.push_back(2); });
  timer.At(start + absl::Milliseconds(20), [&] { order.push_back(20); });
  timer.At(absl::InfinitePast(), [&] { order.push_back(1); });
  EXPECT_GE(last.get_future().get(), start + absl::Milliseconds(30));
  EXPECT_THAT(order, testing::ElementsAre(1, 2, 20, 3));
}

TEST(DeadlineTimerTest, AnEarlierCallIsNotHeldUpByALaterOne) {
  DeadlineTimer timer;
  timer.At(absl::InfiniteFuture(), [] {});
  std::promise<void> called;
  timer.At(absl::Now() + absl::Milliseconds(1), [&] { called.set_value(); });
  called.get_future().wait();
}

TEST(DeadlineTimerTest, ACancelledCallIsNotMade) {
  bool called = false;
  {
    DeadlineTimer timer;
    timer.Cancel(timer.At(absl::Now() + absl::Hours(1), [&] { called = true; }));
  }
  EXPECT_FALSE(called);
}

TEST(DeadlineTimerTest, ItsEndMakesTheCallsThatAreLeft) {
  int calls = 0;
  {
    DeadlineTimer timer;
    timer.At(absl::InfiniteFuture(), [&] { ++calls; });
    timer.At(absl::Now() + absl::Hours(1), [&] { ++calls; });
  }
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace engram::storage
