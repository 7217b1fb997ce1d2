#include <gmock/gmock.h>

#include <filesystem>

#include "tests/client/ctl/ctl_testing.h"

namespace engram::ctl {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;

class MakeCheckpointTest : public CtlTest {};

TEST_F(MakeCheckpointTest, OfASizeInBytes) {
  const Outcome json =
      RunCtl({"make-checkpoint", checkpoint(), "--bytes", "40MB", "--seed", "7", "--json"});
  EXPECT_EQ(json.exit_code, kSuccess) << json.err;
  const nlohmann::json made = json.json();
  EXPECT_EQ(made["geometry"], "deepseek-v4.1");
  EXPECT_NEAR(made["tensor_bytes"].get<double>(), 40e6, 4e6);
  ASSERT_EQ(made["tables"].size(), 2u);
  EXPECT_EQ(made["tables"][1]["layer"], 14);
  EXPECT_EQ(made["tables"][1]["seed"], 7);

  ASSERT_EQ(Run({"import", checkpoint(), "demo"}).exit_code, kSuccess);
  const nlohmann::json tables = Run({"tables", "--json"}).json()["tables"];
  EXPECT_EQ(tables[1]["spec"]["rows"], made["tables"][1]["rows"]);
}

TEST_F(MakeCheckpointTest, OfQwensGeometry) {
  const Outcome text =
      RunCtl({"make-checkpoint", checkpoint(), "--geometry", "qwen-ple", "--vocab-size", "200"});
  EXPECT_EQ(text.exit_code, kSuccess) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("geometry qwen-ple, 1 shard, "),
                              ContainsRegex("  layer 2: [0-9,]+ rows of 160 B\n")));
}

TEST_F(MakeCheckpointTest, RefusesToOverwriteAndSizesThatCannotBe) {
  MakeCheckpoint();
  const Outcome again = RunCtl({"make-checkpoint", checkpoint(), "--vocab-size", "300"});
  EXPECT_EQ(again.exit_code, kFailed);
  EXPECT_THAT(again.err, HasSubstr(checkpoint()));

  const Outcome small = RunCtl({"make-checkpoint", Path("small"), "--bytes", "1kB"});
  EXPECT_EQ(small.exit_code, kFailed);
  EXPECT_THAT(small.err, HasSubstr("--bytes 1000"));
  EXPECT_FALSE(std::filesystem::exists(Path("small")));

  const Outcome no_place =
      RunCtl({"make-checkpoint", checkpoint() + "/config.json/x", "--vocab-size", "300"});
  EXPECT_EQ(no_place.exit_code, kFailed);
  EXPECT_THAT(no_place.err, HasSubstr("config.json/x"));
}

}  // namespace
}  // namespace engram::ctl
