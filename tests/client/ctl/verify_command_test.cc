#include <gmock/gmock.h>

#include "tests/client/ctl/ctl_testing.h"
#include "tests/client/ctl/fake_daemon_testing.h"

namespace engram::ctl {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

TEST_F(CtlTest, VerifyOfSoundRows) {
  ImportDemo();
  const Outcome text = Run({"verify", "demo/layer14"});
  EXPECT_EQ(text.exit_code, kSuccess) << text.err;
  EXPECT_THAT(text.out, StartsWith("OK: all "));
  EXPECT_THAT(text.out, HasSubstr("rows of demo/layer14 version 1 match the digest"));

  const Outcome json = Run({"verify", "demo/layer1", "--version", "1", "--json"});
  EXPECT_EQ(json.exit_code, kSuccess) << json.err;
  EXPECT_EQ(json.json()["table"]["name"], "demo/layer1");
  EXPECT_EQ(json.json()["rows"], Run({"tables", "--json"}).json()["tables"][0]["spec"]["rows"]);
}

TEST_F(CtlTest, VerifyFindsADamagedRow) {
  ImportDemo();
  DamageStoredRow(123, 264);
  const Outcome damaged = Run({"verify", "demo/layer1", "--json"});
  EXPECT_EQ(damaged.exit_code, kWrongData);
  EXPECT_EQ(damaged.out, "");
  EXPECT_THAT(damaged.err, StartsWith("engramctl: "));
  EXPECT_EQ(Run({"verify", "demo/layer14"}).exit_code, kSuccess);

  const Outcome fetched = Run({"fetch", "demo/layer1", "--ids", "123"});
  EXPECT_EQ(fetched.exit_code, kWrongData);
  EXPECT_THAT(fetched.err, HasSubstr("row 123"));
}

TEST_F(CtlTest, VerifyOfWhatIsNotThere) {
  const Outcome unknown = Run({"verify", "none"});
  EXPECT_EQ(unknown.exit_code, kFailed);
  EXPECT_EQ(unknown.err, "engramctl: no table named \"none\"\n");
}

TEST(VerifyTest, CtrlCClosesTheCall) {
  FakeDaemon daemon;
  const Outcome cancelled = RunCtl({"verify", "demo/layer1", "--address", daemon.address()},
                                   {.err_is_terminal = true, .on_err_flush = CtrlCOnce()});
  EXPECT_EQ(cancelled.exit_code, kFailed);
  EXPECT_EQ(cancelled.out, "");
  EXPECT_THAT(cancelled.err, HasSubstr(" 25 %  250 of 1,000 rows"));
  EXPECT_THAT(cancelled.err, EndsWith("engramctl: verification cancelled\n"));
}

}  // namespace
}  // namespace engram::ctl
