#include <gmock/gmock.h>

#include "tests/client/ctl/ctl_testing.h"

namespace engram::ctl {
namespace {

using testing::HasSubstr;

TEST_F(CtlTest, PublishSwitchesVersions) {
  ImportDemo();
  ASSERT_EQ(Run({"import", checkpoint(), "demo", "--layer", "1", "--stage-only"}).exit_code,
            kSuccess);
  const Outcome text = Run({"publish", "demo/layer1", "2"});
  EXPECT_EQ(text.exit_code, kSuccess) << text.err;
  EXPECT_EQ(text.out, "published demo/layer1 version 2\n");
  const nlohmann::json tables = Run({"tables", "--json"}).json()["tables"];
  EXPECT_EQ(tables[0]["published"], false);
  EXPECT_EQ(tables[1]["published"], true);

  const Outcome json = Run({"publish", "demo/layer1", "1", "--json"});
  EXPECT_EQ(json.exit_code, kSuccess);
  EXPECT_EQ(json.json()["table"]["version"], 1);
  EXPECT_EQ(json.json()["table"]["published"], true);
}

TEST_F(CtlTest, PublishOfWhatIsNotThere) {
  const Outcome unknown = Run({"publish", "demo/layer1", "1"});
  EXPECT_EQ(unknown.exit_code, kFailed);
  EXPECT_THAT(unknown.err, HasSubstr("demo/layer1"));
}

}  // namespace
}  // namespace engram::ctl
