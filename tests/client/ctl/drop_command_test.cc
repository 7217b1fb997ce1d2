#include <gmock/gmock.h>

#include "tests/client/ctl/ctl_testing.h"

namespace engram::ctl {
namespace {

using testing::HasSubstr;

class DropTest : public CtlTest {
 protected:
  size_t tables() const { return Run({"tables", "--json"}).json()["tables"].size(); }
};

TEST_F(DropTest, NeedsYesWhereNobodyCanBeAsked) {
  ImportDemo();
  const Outcome refused = Run({"drop", "demo/layer1"});
  EXPECT_EQ(refused.exit_code, kFailed);
  EXPECT_THAT(refused.err, HasSubstr("--yes"));
  EXPECT_EQ(tables(), 2u);

  const Outcome dropped = Run({"drop", "demo/layer1", "--yes"});
  EXPECT_EQ(dropped.exit_code, kSuccess) << dropped.err;
  EXPECT_EQ(dropped.out, "dropped demo/layer1 version 1\n");
  EXPECT_EQ(tables(), 1u);
}

TEST_F(DropTest, AsksOnATerminal) {
  ImportDemo();
  const Outcome no = Run({"drop", "demo/layer1"}, {.in = "\n", .in_is_terminal = true});
  EXPECT_EQ(no.exit_code, kFailed);
  EXPECT_THAT(no.err, HasSubstr("Drop every version of demo/layer1? [y/N]"));
  EXPECT_THAT(no.err, HasSubstr("engramctl: nothing was dropped"));
  EXPECT_EQ(tables(), 2u);

  const Outcome yes =
      Run({"drop", "demo/layer1", "--version", "1"}, {.in = "y\n", .in_is_terminal = true});
  EXPECT_EQ(yes.exit_code, kSuccess) << yes.err;
  EXPECT_THAT(yes.err, HasSubstr("Drop demo/layer1 version 1? [y/N]"));
  EXPECT_EQ(tables(), 1u);
}

TEST_F(DropTest, KeepsAPublishedVersionThatOthersStandBeside) {
  ImportDemo();
  ASSERT_EQ(Run({"import", checkpoint(), "demo", "--layer", "1"}).exit_code, kSuccess);
  const Outcome published = Run({"drop", "demo/layer1", "--version", "2", "--yes"});
  EXPECT_EQ(published.exit_code, kFailed);
  EXPECT_THAT(published.err, HasSubstr("published"));

  const nlohmann::json dropped = Run({"drop", "demo/layer1", "--yes", "--json"}).json()["dropped"];
  ASSERT_EQ(dropped.size(), 2u);
  EXPECT_EQ(dropped[1]["name"], "demo/layer1");
  EXPECT_EQ(dropped[1]["version"], 2);
}

TEST_F(DropTest, UnknownTable) {
  const Outcome unknown = Run({"drop", "none", "--yes"});
  EXPECT_EQ(unknown.exit_code, kFailed);
  EXPECT_EQ(unknown.err, "engramctl: no table named \"none\"\n");
}

}  // namespace
}  // namespace engram::ctl
