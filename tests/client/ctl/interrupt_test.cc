#include "client/ctl/interrupt.h"

#include <gtest/gtest.h>

#include <csignal>

#include "absl/synchronization/notification.h"

namespace engram::ctl {
namespace {

TEST(InterruptTest, EitherSignalIsARequest) {
  for (const int signal : {SIGINT, SIGTERM}) {
    absl::Notification called;
    const Interrupt interrupt([&called] { called.Notify(); });
    EXPECT_FALSE(interrupt.requested());
    EXPECT_FALSE(interrupt.WaitFor(absl::ZeroDuration()));
    ASSERT_EQ(std::raise(signal), 0);
    called.WaitForNotification();
    EXPECT_TRUE(interrupt.requested());
    EXPECT_TRUE(interrupt.WaitFor(absl::InfiniteDuration()));
  }
}

TEST(InterruptTest, PutsFormerHandlersBack) {
  static volatile std::sig_atomic_t received = 0;
  received = 0;
  const auto former = std::signal(SIGINT, [](int) { received = 1; });
  {
    const Interrupt interrupt;
    std::raise(SIGINT);
    EXPECT_TRUE(interrupt.WaitFor(absl::InfiniteDuration()));
    EXPECT_EQ(received, 0);
  }
  std::raise(SIGINT);
  EXPECT_EQ(received, 1);
  std::signal(SIGINT, former);
}

TEST(InterruptDeathTest, TheSecondSignalEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const Interrupt interrupt;
        std::raise(SIGINT);
        interrupt.WaitFor(absl::InfiniteDuration());
        std::raise(SIGINT);
      },
      testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace engram::ctl
