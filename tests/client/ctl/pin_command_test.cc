#include <gmock/gmock.h>

#include <numeric>
#include <string>
#include <vector>

#include "tests/client/ctl/ctl_testing.h"

namespace engram::ctl {
namespace {

using testing::HasSubstr;
using testing::Not;

class PinCommandTest : public CtlTest {
 protected:
  // The ids of some groups.
  static std::vector<uint32_t> Groups(size_t count) {
    std::vector<uint32_t> ids(8 * count);
    std::iota(ids.begin(), ids.end(), 100U);
    return ids;
  }
};

TEST_F(PinCommandTest, PinsAndUnpins) {
  ImportDemo();
  EXPECT_THAT(Run({"stats", "demo/layer1"}).out, Not(HasSubstr("pinned")));
  const Outcome pinned = Run({"pin", "demo/layer1", WriteIds(Groups(5)), "--json"});
  ASSERT_EQ(pinned.exit_code, kSuccess) << pinned.err;
  EXPECT_EQ(pinned.json()["newly_pinned"], 5);
  EXPECT_EQ(pinned.json()["pinned"], 5);
  EXPECT_GT(pinned.json()["limit"], 5);
  EXPECT_EQ(pinned.json()["saved"], true);
  EXPECT_THAT(Run({"pin", "demo/layer1", WriteIds(Groups(6))}).out,
              HasSubstr("1 n-grams pinned, 5 were before; 6 of at most "));
  EXPECT_THAT(Run({"stats", "demo/layer1"}).out, HasSubstr("pinned in RAM: 6 groups"));
  EXPECT_EQ(Run({"stats", "--json"}).json()["tables"][0]["tiers"][0]["pinned"], 6);
  EXPECT_THAT(Run({"unpin", "demo/layer1", WriteIds(Groups(2))}).out,
              HasSubstr("2 n-grams unpinned, 0 were not pinned; 4 of at most "));
  const Outcome all = Run({"unpin", "demo/layer1", "--all", "--json"});
  ASSERT_EQ(all.exit_code, kSuccess) << all.err;
  EXPECT_EQ(all.json()["unpinned"], 4);
  EXPECT_EQ(all.json()["pinned"], 0);
}

TEST_F(PinCommandTest, NamesWhatIsWrong) {
  ImportDemo();
  std::vector<uint32_t> ids = Groups(2);
  ids[11] = 4'000'000'000;
  for (const char* command : {"pin", "unpin"}) {
    EXPECT_THAT(Run({command, "demo/layer1", WriteIds(ids)}).err,
                HasSubstr("row id 4000000000 at index 11"));
    EXPECT_THAT(Run({command, "demo/layer1", WriteIds({1, 2, 3})}).err, HasSubstr("group size"));
    EXPECT_THAT(Run({command, "demo/layer1", WriteIds({})}).err, HasSubstr("no groups"));
    EXPECT_THAT(Run({command, "what", WriteIds(Groups(1))}).err, HasSubstr("what"));
    EXPECT_THAT(Run({command, "demo/layer1", Path("none.u32")}).err, HasSubstr("none.u32"));
    EXPECT_NE(Run({command, "demo/layer1"}).exit_code, kSuccess);
  }
  EXPECT_NE(Run({"unpin", "demo/layer1", WriteIds(Groups(1)), "--all"}).exit_code, kSuccess);
}

TEST_F(PinCommandTest, TheHelpSaysHowLongItLasts) {
  EXPECT_THAT(Run({"pin", "--help"}).out, HasSubstr("--hot-set-seconds 0"));
}

}  // namespace
}  // namespace engram::ctl
