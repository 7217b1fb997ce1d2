#include <gmock/gmock.h>

#include <numeric>
#include <string>
#include <vector>

#include "tests/client/ctl/ctl_testing.h"

namespace engram::ctl {
namespace {

using testing::HasSubstr;

using WarmUpCommandTest = CtlTest;

TEST_F(WarmUpCommandTest, BringsGroupsIntoRam) {
  ImportDemo();
  std::vector<uint32_t> ids(40);
  std::iota(ids.begin(), ids.end(), 100U);
  const Outcome outcome = Run({"warm-up", "demo/layer1", WriteIds(ids), "--json"});
  ASSERT_EQ(outcome.exit_code, kSuccess) << outcome.err;
  EXPECT_EQ(outcome.json()["admitted"], 5);
  const Outcome again = Run({"warm-up", "demo/layer1", WriteIds(ids)});
  EXPECT_THAT(again.out, HasSubstr("0 of 5 n-grams came into RAM, 5 were there"));
  const Outcome fetched = Run(
      {"fetch", "demo/layer1", "--ids", "100,101,102,103,104,105,106,107", "--tiers", "--json"});
  EXPECT_EQ(fetched.json()["group_tiers"][0], "ram");
}

TEST_F(WarmUpCommandTest, NamesIdsThatAreWrong) {
  ImportDemo();
  std::vector<uint32_t> ids(16, 1);
  ids[11] = 4'000'000'000;
  EXPECT_THAT(Run({"warm-up", "demo/layer1", WriteIds(ids)}).err,
              HasSubstr("row id 4000000000 at index 11"));
  EXPECT_THAT(Run({"warm-up", "demo/layer1", WriteIds({1, 2, 3})}).err, HasSubstr("group size"));
  EXPECT_THAT(Run({"warm-up", "what", WriteIds({1})}).err, HasSubstr("what"));
  EXPECT_THAT(Run({"warm-up", "demo/layer1", Path("none.u32")}).err, HasSubstr("none.u32"));
}

}  // namespace
}  // namespace engram::ctl
