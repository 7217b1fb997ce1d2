#include "storage/fetch/io_scheduler.h"

#include <gmock/gmock.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/barrier.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"

namespace engram::storage {
namespace {

using testing::ElementsAre;

// A scheduler of one thread that waits, so that jobs queue up, until Release.
class HeldScheduler {
 public:
  HeldScheduler() {
    scheduler_->Submit(JobClass::kInteractive, absl::InfinitePast(), [this] {
      held_.Notify();
      released_.WaitForNotification();
    });
    held_.WaitForNotification();
  }

  void Submit(absl::Time deadline, const std::string& name,
              JobClass job_class = JobClass::kInteractive) {
    scheduler_->Submit(job_class, deadline, [this, name] { order_.push_back(name); });
  }

  // Lets the jobs run and returns their names in the order in which they did.
  std::vector<std::string> Release() {
    released_.Notify();
    scheduler_.reset();
    return order_;
  }

 private:
  absl::Notification held_;
  absl::Notification released_;
  std::vector<std::string> order_;
  std::unique_ptr<IoScheduler> scheduler_ = std::make_unique<IoScheduler>(1);
};

TEST(IoSchedulerTest, EarliestDeadlineFirst) {
  HeldScheduler scheduler;
  const absl::Time now = absl::Now();
  scheduler.Submit(now + absl::Milliseconds(30), "30");
  scheduler.Submit(now + absl::Milliseconds(10), "10");
  scheduler.Submit(absl::InfiniteFuture(), "never");
  scheduler.Submit(absl::InfinitePast(), "past");
  scheduler.Submit(now + absl::Milliseconds(20), "20");
  EXPECT_THAT(scheduler.Release(), ElementsAre("past", "10", "20", "30", "never"));
}

TEST(IoSchedulerTest, EqualDeadlinesInOrderOfSubmission) {
  HeldScheduler scheduler;
  const absl::Time deadline = absl::Now() + absl::Milliseconds(10);
  std::vector<std::string> names;
  for (int i = 0; i < 100; ++i) {
    names.push_back(std::to_string(i));
    scheduler.Submit(deadline, names.back());
  }
  EXPECT_EQ(scheduler.Release(), names);
}

// A stream of jobs with deadlines may go before one without, but not without end.
TEST(IoSchedulerTest, FarDeadlinesDoNotGoLastForever) {
  HeldScheduler scheduler;
  scheduler.Submit(absl::InfiniteFuture(), "never");
  absl::SleepFor(absl::Milliseconds(1));
  scheduler.Submit(absl::Now() + 100 * IoScheduler::kPatience, "far");
  absl::SleepFor(absl::Milliseconds(1));
  scheduler.Submit(absl::Now() + IoScheduler::kPatience, "later");
  EXPECT_THAT(scheduler.Release(), ElementsAre("never", "far", "later"));
}

// Of a single thread: bulk jobs have every other turn, hints what is left.
TEST(IoSchedulerTest, ClassesGoFirstButBulkJobsKeepAShare) {
  HeldScheduler scheduler;
  for (const char* name : {"h1", "h2"}) {
    scheduler.Submit(absl::InfinitePast(), name, JobClass::kHint);
  }
  for (const char* name : {"b1", "b2"}) {
    scheduler.Submit(absl::InfinitePast(), name, JobClass::kBulk);
  }
  for (const char* name : {"i1", "i2", "i3", "i4"}) {
    scheduler.Submit(absl::InfinitePast(), name);
  }
  EXPECT_THAT(scheduler.Release(), ElementsAre("b1", "i1", "b2", "i2", "i3", "i4", "h1", "h2"));
}

// Jobs of a class that run until they are released, each on a thread of its own.
TEST(IoSchedulerTest, LowerClassesLeaveAThreadToInteractiveJobs) {
  std::promise<void> released;
  const std::shared_future<void> release(released.get_future());
  std::promise<void> interactive;
  std::atomic<int> low = 0;
  IoScheduler scheduler(3);
  for (int i = 0; i < 10; ++i) {
    scheduler.Submit(i % 2 == 0 ? JobClass::kBulk : JobClass::kHint, absl::InfinitePast(), [&] {
      ++low;
      release.wait();
    });
  }
  scheduler.Submit(JobClass::kInteractive, absl::InfiniteFuture(),
                   [&] { interactive.set_value(); });
  interactive.get_future().wait();  // for ever, if the others have all threads
  EXPECT_LE(low, 2);
  released.set_value();
}

// What is left of a class's pace while something goes on that may limit it, tried until it does:
// this thread may be kept from looking for longer than the limit lasts.
size_t Limit(const ReadPace& pace, const std::function<void()>& go_on) {
  size_t limit = ReadPace::kNoLimit;
  while (limit == ReadPace::kNoLimit) {
    go_on();
    limit = pace.MaxInFlight();
  }
  return limit;
}

TEST(IoSchedulerTest, OthersReadSlowlyWhileInteractiveJobsRead) {
  IoScheduler scheduler(4);
  const ReadPace& interactive = scheduler.PaceOf(JobClass::kInteractive);
  EXPECT_EQ(scheduler.PaceOf(JobClass::kBulk).MaxInFlight(), ReadPace::kNoLimit);
  EXPECT_EQ(scheduler.PaceOf(JobClass::kHint).MaxInFlight(), ReadPace::kNoLimit);
  for (const JobClass low : {JobClass::kBulk, JobClass::kHint}) {
    const ReadPace& pace = scheduler.PaceOf(low);
    const size_t limit =
        Limit(pace, [&] { EXPECT_EQ(interactive.MaxInFlight(), ReadPace::kNoLimit); });
    EXPECT_LE(limit, 64U);
    EXPECT_GE(limit, 1U);
    // After a while without any it is over.
    while (pace.MaxInFlight() != ReadPace::kNoLimit) absl::SleepFor(absl::Milliseconds(5));
  }
}

TEST(IoSchedulerTest, InteractiveJobsThatReadNothingDoNotSlowHintsDown) {
  IoScheduler scheduler(4);
  const auto run = [&] {
    std::promise<void> ran;
    scheduler.Submit(JobClass::kInteractive, absl::InfinitePast(), [&] { ran.set_value(); });
    ran.get_future().wait();
  };
  EXPECT_LE(Limit(scheduler.PaceOf(JobClass::kBulk), run), 64U);
  EXPECT_EQ(scheduler.PaceOf(JobClass::kHint).MaxInFlight(), ReadPace::kNoLimit);
}

TEST(IoSchedulerTest, TheDestructorRunsEveryJob) {
  std::atomic<int> ran = 0;
  constexpr int kJobs = 1000;
  {
    IoScheduler scheduler(3);
    for (int i = 0; i < kJobs; ++i) {
      scheduler.Submit(JobClass::kInteractive, absl::InfiniteFuture(), [&ran] { ++ran; });
    }
  }
  EXPECT_EQ(ran, kJobs);
}

TEST(IoSchedulerTest, AllThreadsWork) {
  constexpr int kThreads = 3;
  IoScheduler scheduler(kThreads);
  EXPECT_EQ(scheduler.threads(), kThreads);
  absl::Barrier* const all = new absl::Barrier(kThreads + 1);
  for (int i = 0; i < kThreads; ++i) {
    scheduler.Submit(JobClass::kInteractive, absl::InfiniteFuture(), [all] {
      if (all->Block()) delete all;
    });
  }
  if (all->Block()) delete all;  // returns only once every job runs at the same time
}

TEST(IoSchedulerTest, JobsAreTakenFromAnyThread) {
  std::atomic<int> ran = 0;
  {
    IoScheduler scheduler(2);
    std::vector<std::jthread> submitters;
    for (int t = 0; t < 4; ++t) {
      submitters.emplace_back([&] {
        for (int i = 0; i < 500; ++i) {
          scheduler.Submit(JobClass::kInteractive, absl::Now() + absl::Microseconds(i % 7),
                           [&ran] { ++ran; });
        }
      });
    }
  }
  EXPECT_EQ(ran, 2000);
}

TEST(IoSchedulerTest, AJobIsDestroyedOnceItRan) {
  auto held = std::make_shared<int>(1);
  absl::Notification next;
  IoScheduler scheduler(1);
  scheduler.Submit(JobClass::kInteractive, absl::InfinitePast(), [held] {});
  scheduler.Submit(JobClass::kInteractive, absl::InfiniteFuture(), [&next] { next.Notify(); });
  next.WaitForNotification();
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace engram::storage
