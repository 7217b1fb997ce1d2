// Goal: what a text needs is in RAM before anybody asks for it.
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "tests/client/ctl/ctl_testing.h"

namespace engram::ctl {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class SeedTest : public CtlTest {
 protected:
  static std::vector<std::string> TraceArgs(const std::string& trace_flag) {
    std::vector<std::string> args = {DataPath("prose_excerpt.u32.zst"), "--docs",
                                     DataPath("prose_excerpt.docs.txt"), "--token-map",
                                     DataPath("token_map.u32.zst")};
    if (!trace_flag.empty()) args.insert(args.begin(), trace_flag);
    return args;
  }
  Outcome Seed(const std::string& name, const std::vector<std::string>& flags) const {
    std::vector<std::string> args = {"seed", name, "--config", checkpoint()};
    for (const auto& more : {TraceArgs("--trace"), flags}) {
      args.insert(args.end(), more.begin(), more.end());
    }
    return Run(args);
  }
  nlohmann::json Replay(const std::vector<std::string>& flags) const {
    std::vector<std::string> args = {"replay", "--config", checkpoint(), "--json"};
    for (const auto& more : {TraceArgs(""), flags}) {
      args.insert(args.end(), more.begin(), more.end());
    }
    const Outcome outcome = Run(args);
    EXPECT_EQ(outcome.exit_code, kSuccess) << outcome.err;
    return outcome.json();
  }
};

TEST_F(SeedTest, AReplayOfTheTextFindsAllInRam) {
  ImportDemo();
  const Outcome outcome = Seed("demo", {"--limit", "30", "--json"});
  ASSERT_EQ(outcome.exit_code, kSuccess) << outcome.err;
  const nlohmann::json json = outcome.json();
  ASSERT_EQ(json.size(), 2U);
  EXPECT_EQ(json[0]["name"], "demo/layer1");
  EXPECT_EQ(json[1]["name"], "demo/layer14");
  EXPECT_EQ(json[0]["sent"], json[0]["offered"]);
  EXPECT_EQ(json[0]["admitted"], json[0]["offered"]);
  EXPECT_EQ(Replay({"--limit", "30"})["groups"]["cold"], 0);
}

TEST_F(SeedTest, OneTableAndTheMostWorthyOnly) {
  ImportDemo();
  const Outcome outcome = Seed("demo/layer14", {"--limit-groups", "25"});
  ASSERT_EQ(outcome.exit_code, kSuccess) << outcome.err;
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("demo/layer14 version 1: 25 of 25 n-grams came into RAM"),
                    testing::Not(HasSubstr("demo/layer1 "))));
}

TEST_F(SeedTest, TablesThatAreHeldWholeArePassedOver) {
  ImportDemo();
  StartDaemon({"demo/layer1"});
  const Outcome outcome = Seed("demo", {"--limit", "30"});
  EXPECT_EQ(outcome.exit_code, kSuccess);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("not seeded: "), HasSubstr("it is held whole in RAM")));
  EXPECT_THAT(outcome.out, HasSubstr("demo/layer14 version 1: "));
  StartDaemon({"*"});
  EXPECT_EQ(Seed("demo", {"--limit", "30"}).exit_code, kFailed);
}

TEST_F(SeedTest, SaysWhatIsWrong) {
  ImportDemo();
  EXPECT_THAT(Seed("other", {}).err, HasSubstr("other/layer1"));
  EXPECT_THAT(Seed("demo/layer2", {}).err, HasSubstr("no Engram layer 2"));
  EXPECT_THAT(Seed("demo", {"--skip", "4000000"}).err, HasSubstr("leaves none"));
  EXPECT_EQ(Run({"seed", "demo"}).exit_code, kUsage);
  StopDaemon();
  EXPECT_EQ(Seed("demo", {"--limit", "30"}).exit_code, kUnreachable);
}

// Of a trace's tokens from some on, documents stay what they are.
TEST_F(SeedTest, ReplaysSkipTokens) {
  ImportDemo();
  Replay({"--limit", "300"});
  const nlohmann::json all = Replay({"--limit", "300"});
  const nlohmann::json skipped = Replay({"--skip", "100", "--limit", "200"});
  EXPECT_EQ(skipped["tokens"], 200);
  EXPECT_EQ(all["tokens"], 300);
}

}  // namespace
}  // namespace engram::ctl
