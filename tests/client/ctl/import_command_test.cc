#include <gmock/gmock.h>

#include <filesystem>

#include "tests/client/ctl/ctl_testing.h"
#include "tests/client/ctl/fake_daemon_testing.h"

namespace engram::ctl {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;

TEST_F(CtlTest, ImportOfACheckpoint) {
  MakeCheckpoint();
  const Outcome text = Run({"import", checkpoint(), "demo"});
  EXPECT_EQ(text.exit_code, kSuccess);
  EXPECT_THAT(text.err, IsEmpty());
  EXPECT_THAT(
      text.out,
      MatchesRegex("imported demo/layer1 version 1: [0-9,]+ rows of 264 B, .*, digest [0-9a-f]+\n"
                   "imported demo/layer14 version 1: .*\n"));

  const Outcome staged =
      Run({"import", checkpoint(), "demo", "--layer", "14", "--stage-only", "--json"});
  EXPECT_EQ(staged.exit_code, kSuccess) << staged.err;
  const nlohmann::json imported = staged.json()["imported"];
  ASSERT_EQ(imported.size(), 1u);
  EXPECT_EQ(imported[0]["name"], "demo/layer14");
  EXPECT_EQ(imported[0]["version"], 2);
  EXPECT_EQ(imported[0]["published"], false);
  EXPECT_THAT(Run({"import", checkpoint(), "demo", "--layer", "1", "--stage-only"}).out,
              HasSubstr("publish it with: engramctl publish demo/layer1 2\n"));
}

TEST_F(CtlTest, ImportOfAFileByARelativePath) {
  const std::string path = Path("rows.npy");
  WriteSelfDescribingNpy(path, /*layer=*/3, /*seed=*/0, /*count=*/64, /*row_bytes=*/32);
  const Outcome imported = Run({"import", std::filesystem::proximate(path), "raw", "--group-size",
                                "8", "--orders", "2,3", "--json"});
  EXPECT_EQ(imported.exit_code, kSuccess) << imported.err;
  const nlohmann::json spec = imported.json()["imported"][0]["spec"];
  EXPECT_EQ(spec["rows"], 64);
  EXPECT_EQ(spec["group_size"], 8);
  EXPECT_THAT(spec["orders"], ElementsAre(2, 3));
}

TEST_F(CtlTest, ImportErrorsNameTheOffence) {
  MakeCheckpoint();
  const auto expect = [this](const std::vector<std::string>& args, const std::string& message) {
    const Outcome outcome = Run(args);
    EXPECT_EQ(outcome.exit_code, kFailed) << message;
    EXPECT_THAT(outcome.out, IsEmpty());
    EXPECT_THAT(outcome.err, HasSubstr(message));
  };
  expect({"import", Path("none"), "demo"}, Path("none"));
  expect({"import", checkpoint(), "bad//name"}, "bad//name");
  expect({"import", checkpoint(), "demo", "--layer", "9"}, "layer 9");
  expect({"import", checkpoint(), "demo", "--tensor", "no.such"}, "no.such");
  std::filesystem::resize_file(checkpoint() + "/model-00001-of-00001.safetensors", 100);
  expect({"import", checkpoint(), "demo"}, "model-00001-of-00001.safetensors");
}

v1::ImportProgress SomeProgress() {
  v1::ImportProgress progress;
  progress.set_table("demo/layer14");
  progress.set_bytes_done(460'000'000);
  progress.set_bytes_total(1'000'000'000);
  progress.set_bytes_per_second(2.7e8);
  progress.set_seconds_left(2);
  return progress;
}

TEST(ImportTest, SendsWhatTheFlagsSay) {
  FakeDaemon daemon;
  daemon.import_progress = {SomeProgress()};
  RunCtl({"import", "/a/./b/../c", "demo", "--layer", "0", "--tensor", "t", "--scale-tensor", "s",
          "--group-size", "4", "--orders", "2,4", "--stage-only", "--address", daemon.address()},
         {.err_is_terminal = true, .on_err_flush = CtrlCOnce()});
  daemon.cancelled.WaitForNotification();
  EXPECT_EQ(daemon.import_request.path(), "/a/c");
  EXPECT_EQ(daemon.import_request.name(), "demo");
  EXPECT_TRUE(daemon.import_request.has_layer());
  EXPECT_EQ(daemon.import_request.layer(), 0u);
  EXPECT_EQ(daemon.import_request.tensor(), "t");
  EXPECT_EQ(daemon.import_request.scale_tensor(), "s");
  EXPECT_EQ(daemon.import_request.group_size(), 4u);
  EXPECT_THAT(daemon.import_request.orders(), ElementsAre(2, 4));
  EXPECT_TRUE(daemon.import_request.stage_only());
}

TEST(ImportTest, CtrlCCancelsAndSaysThatNothingWasPublished) {
  FakeDaemon daemon;
  daemon.import_progress = {SomeProgress()};
  const Outcome cancelled = RunCtl({"import", "/checkpoint", "demo", "--address", daemon.address()},
                                   {.err_is_terminal = true, .on_err_flush = CtrlCOnce()});
  EXPECT_EQ(cancelled.exit_code, kFailed);
  EXPECT_THAT(cancelled.out, IsEmpty());
  EXPECT_THAT(cancelled.err, HasSubstr("demo/layer14 ["));
  EXPECT_THAT(cancelled.err, HasSubstr(" 46 %  460 MB of 1.00 GB  270 MB/s  2 s left"));
  EXPECT_THAT(cancelled.err, EndsWith("engramctl: import cancelled; nothing was published\n"));
  daemon.cancelled.WaitForNotification();
}

TEST(ImportCommand, AnEmptyPathIsAUsageError) {
  const Outcome outcome = RunCtl({"import", "", "demo"});
  EXPECT_EQ(outcome.exit_code, kUsage);
  EXPECT_THAT(outcome.err, HasSubstr("PATH"));
}

}  // namespace
}  // namespace engram::ctl
