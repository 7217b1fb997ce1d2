#include "server/tasks.h"

#include <atomic>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace engram::server {
namespace {

using testing::HasSubstr;

TEST(TasksTest, RunsSoManyAtOnceAndNoMore) {
  Tasks tasks("imports", 2);
  absl::Notification go;
  std::atomic<int> ran = 0;
  const auto task = [&] {
    go.WaitForNotification();
    ++ran;
  };
  EXPECT_TRUE(tasks.Start(task).ok());
  EXPECT_TRUE(tasks.Start(task).ok());
  const absl::Status third = tasks.Start(task);
  EXPECT_TRUE(absl::IsResourceExhausted(third)) << third;
  EXPECT_THAT(std::string(third.message()), HasSubstr("2 imports"));
  go.Notify();
  tasks.AwaitAll();
  EXPECT_EQ(ran, 2);
  EXPECT_TRUE(tasks.Start(task).ok());
  tasks.AwaitAll();
  EXPECT_EQ(ran, 3);
}

TEST(TasksTest, StoppingRefusesNewOnesAndTellsTheOthers) {
  Tasks tasks("imports", 2);
  absl::Notification stopped;
  std::atomic<bool> seen = false;
  ASSERT_TRUE(tasks
                  .Start([&] {
                    stopped.WaitForNotification();
                    seen = tasks.stopping();
                  })
                  .ok());
  EXPECT_FALSE(tasks.stopping());
  tasks.Stop();
  stopped.Notify();
  EXPECT_TRUE(absl::IsUnavailable(tasks.Start([] {})));
  tasks.AwaitAll();
  EXPECT_TRUE(seen);
}

}  // namespace
}  // namespace engram::server
