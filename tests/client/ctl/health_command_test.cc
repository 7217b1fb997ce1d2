#include <gtest/gtest.h>

#include "tests/client/ctl/ctl_testing.h"
#include "tests/client/ctl/fake_daemon_testing.h"

namespace engram::ctl {
namespace {

TEST_F(CtlTest, HealthSaysServing) {
  const Outcome text = Run({"health"});
  EXPECT_EQ(text.exit_code, kSuccess) << text.err;
  EXPECT_EQ(text.out, "SERVING\n");
  const Outcome json = Run({"health", "--json"});
  EXPECT_EQ(json.exit_code, kSuccess);
  EXPECT_EQ(json.json(), nlohmann::json({{"status", "SERVING"}}));
}

TEST_F(CtlTest, HealthOfAStoppedDaemon) {
  StopDaemon();
  const Outcome stopped = Run({"health"});
  EXPECT_EQ(stopped.exit_code, kUnreachable);
  EXPECT_EQ(stopped.out, "");
}

TEST(HealthTest, OfADaemonThatDrains) {
  FakeDaemon daemon;
  daemon.SetServing(false);
  const Outcome draining = RunCtl({"health", "--address", daemon.address()});
  EXPECT_EQ(draining.exit_code, kFailed);
  EXPECT_EQ(draining.out, "NOT_SERVING\n");
  EXPECT_EQ(draining.err,
            "engramctl: the daemon at " + daemon.address() + " says it is NOT_SERVING\n");
}

}  // namespace
}  // namespace engram::ctl
