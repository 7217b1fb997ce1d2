#include "client/ctl/progress.h"

#include <gmock/gmock.h>

#include <sstream>

#include "absl/strings/str_split.h"

namespace engram::ctl {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class ProgressTest : public testing::Test {
 protected:
  Console console(bool terminal) {
    return {.out = out_, .err = err_, .in = in_, .err_is_terminal = terminal};
  }

  static ProgressState Half(const std::string& label) {
    return {.label = label,
            .done = 50,
            .total = 100,
            .amount = "50 of 100 rows",
            .rate = "5 MB/s",
            .seconds_left = 9.2};
  }

  std::ostringstream out_;
  std::ostringstream err_;
  std::istringstream in_;
};

TEST_F(ProgressTest, PlainLinesWithoutATerminal) {
  Progress progress(console(false), absl::ZeroDuration());
  progress.Update(Half("demo/layer1"));
  EXPECT_EQ(err_.str(), "demo/layer1:  50 %  50 of 100 rows  5 MB/s  10 s left\n");
  EXPECT_THAT(out_.str(), IsEmpty());
}

TEST_F(ProgressTest, SaysNothingOfWhatIsSoonDone) {
  {
    Progress progress(console(false), absl::Hours(1));
    progress.Update(Half("demo"));
  }
  EXPECT_THAT(err_.str(), IsEmpty());
}

TEST_F(ProgressTest, ABarOnATerminalIsGoneAtTheEnd) {
  {
    Progress progress(console(true));
    progress.Update(Half("demo"));
    EXPECT_EQ(err_.str(),
              "\rdemo [##########..........]  50 %  50 of 100 rows  5 MB/s  10 s left\x1b[K");
    progress.Update(Half("demo"));  // too soon to draw again
    progress.Clear();
    progress.Update(Half("next"));  // but not after that
  }
  const std::vector<std::string> lines = absl::StrSplit(err_.str(), '\r');
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines[2], "\x1b[K");
  EXPECT_THAT(lines[3], StartsWith("next ["));
  EXPECT_EQ(lines[4], "\x1b[K");
}

TEST_F(ProgressTest, LongLabelsKeepTheirEndAndTheLineItsWidth) {
  Progress progress(console(true));
  ProgressState state = Half("some-organisation/some-model-of-theirs/layer14");
  state.amount = "123,456,789 of 384,006,168 rows";
  progress.Update(state);
  EXPECT_THAT(err_.str(), StartsWith("\r..-of-theirs/layer14"));
  EXPECT_LE(err_.str().size(), 79u + 4u);
}

TEST_F(ProgressTest, NothingDoneYetHasNoTimeLeft) {
  Progress progress(console(false), absl::ZeroDuration());
  progress.Update({.label = "demo", .done = 0, .total = 0, .amount = "0 B", .rate = "0 B/s"});
  EXPECT_EQ(err_.str(), "demo:   0 %  0 B  0 B/s\n");
}

}  // namespace
}  // namespace engram::ctl
