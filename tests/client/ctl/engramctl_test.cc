// What holds for all commands: help, usage errors, and a daemon that is not there.
#include "client/ctl/engramctl.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "tests/client/ctl/ctl_testing.h"

namespace engram::ctl {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr char kNowhere[] = "unix:/nowhere/engramd.sock";

const std::vector<std::string> kCommands = {"health", "tables",          "import", "publish",
                                            "drop",   "stats",           "fetch",  "verify",
                                            "replay", "make-checkpoint", "version"};

void ExpectUsageError(const std::vector<std::string>& args, const std::string& offence) {
  const Outcome outcome = RunCtl(args);
  EXPECT_EQ(outcome.exit_code, kUsage) << offence;
  EXPECT_THAT(outcome.out, IsEmpty());
  EXPECT_THAT(outcome.err, AllOf(StartsWith("engramctl: "), HasSubstr(offence), HasSubstr("--help"),
                                 EndsWith("\n")));
  EXPECT_EQ(outcome.err.find('\n'), outcome.err.size() - 1) << outcome.err;
}

TEST(EngramctlTest, HelpNamesEveryCommandAndExitCode) {
  const Outcome help = RunCtl({"--help"});
  EXPECT_EQ(help.exit_code, kSuccess);
  EXPECT_THAT(help.err, IsEmpty());
  for (const std::string& command : kCommands) EXPECT_THAT(help.out, HasSubstr(command));
  for (const char* code : {"0  success", "1  ", "2  ", "3  ", "4  "}) {
    EXPECT_THAT(help.out, HasSubstr(code));
  }
  EXPECT_THAT(help.out, HasSubstr("ENGRAMD_ADDRESS"));
}

TEST(EngramctlTest, EveryCommandHasHelpWithAnExample) {
  for (const std::string& command : kCommands) {
    const Outcome help = RunCtl({command, "--help"});
    EXPECT_EQ(help.exit_code, kSuccess) << command;
    EXPECT_THAT(help.out,
                AllOf(HasSubstr("Examples:\n  engramctl " + command), HasSubstr("--json")));
  }
}

TEST(EngramctlTest, Version) {
  EXPECT_THAT(RunCtl({"--version"}).out, StartsWith("engramctl 0."));
  EXPECT_EQ(RunCtl({"version"}).out, RunCtl({"--version"}).out);
  const Outcome json = RunCtl({"version", "--json"});
  EXPECT_EQ("engramctl " + json.json()["version"].get<std::string>() + "\n",
            RunCtl({"version"}).out);
}

TEST(EngramctlTest, WrongCommandLines) {
  ExpectUsageError({}, "which command?");
  ExpectUsageError({"frobnicate"}, "frobnicate");
  ExpectUsageError({"tables", "--frobnicate"}, "--frobnicate");
  ExpectUsageError({"tables", "more"}, "more");
  ExpectUsageError({"tables", "--address", "somewhere"}, "somewhere");
  ExpectUsageError({"tables", "--address", "host:"}, "host:");
  ExpectUsageError({"import", "path"}, "NAME");
  ExpectUsageError({"publish", "name"}, "VERSION");
  ExpectUsageError({"publish", "name", "0"}, "above 0");
  ExpectUsageError({"publish", "name", "one"}, "\"one\"");
  ExpectUsageError({"drop"}, "NAME");
  ExpectUsageError({"stats", "--watch", "-1"}, "--watch");
  ExpectUsageError({"stats", "--watch", "1", "--json"}, "--json");
  ExpectUsageError({"advise", "t", "--ram", "-5"}, "--ram: \"-5\" is no size");
  ExpectUsageError({"advise", "t", "--target-hit", "nan"}, "\"nan\" is not a number from 0 to 1");
  ExpectUsageError({"advise", "t", "--target-stall", "1%", "--tokens-per-s", "inf"},
                   "\"inf\" is not a number above 0");
  ExpectUsageError({"fetch", "table"}, "--ids or --tokens");
  ExpectUsageError({"fetch", "table", "--ids", "1,x"}, "\"x\" is not a whole number");
  ExpectUsageError({"fetch", "table", "--ids", "-1"}, "-1");
  ExpectUsageError({"fetch", "table", "--ids", "4294967296"}, "4294967296");
  ExpectUsageError({"fetch", "table", "--ids", "1", "--tokens", "2"}, "--tokens");
  ExpectUsageError({"fetch", "table", "--tokens", "2"}, "--config");
  ExpectUsageError({"replay", "trace"}, "--config");
  ExpectUsageError({"replay", "trace", "--config", "c", "--chunk", "0"}, "--chunk");
  ExpectUsageError({"replay", "trace", "--config", "c", "--in-flight", "1000"}, "--in-flight");
  ExpectUsageError({"make-checkpoint", "d", "--geometry", "flat"}, "\"flat\"");
  ExpectUsageError({"make-checkpoint", "d", "--bytes", "1GB", "--vocab-size", "5"}, "--bytes");
}

TEST(EngramctlTest, NoDaemonIsSaidAtOnceByEveryCommandThatNeedsOne) {
  const std::vector<std::vector<std::string>> lines = {
      {"health"},
      {"tables"},
      {"stats"},
      {"import", "/x", "name"},
      {"publish", "x", "1"},
      {"drop", "x", "--yes"},
      {"verify", "x"},
      {"fetch", "x", "--ids", "1"},
      {"replay", DataPath("prose_excerpt.u32.zst"), "--config", DataPath("v41_config.json")}};
  for (std::vector<std::string> line : lines) {
    line.insert(line.end(), {"--address", kNowhere});
    const Outcome outcome = RunCtl(line);
    EXPECT_EQ(outcome.exit_code, kUnreachable) << line[0] << ": " << outcome.err;
    EXPECT_THAT(outcome.out, IsEmpty());
    EXPECT_EQ(outcome.err, std::string("engramctl: no daemon answers at ") + kNowhere +
                               ": No such file or directory\n");
  }
}

TEST(EngramctlTest, TheAddressMayComeFromTheEnvironmentOrStandBeforeTheCommand) {
  ASSERT_EQ(setenv("ENGRAMD_ADDRESS", kNowhere, 1), 0);
  EXPECT_THAT(RunCtl({"tables"}).err, HasSubstr(kNowhere));
  EXPECT_THAT(RunCtl({"--address", "unix:/elsewhere", "tables"}).err, HasSubstr("/elsewhere"));
  ASSERT_EQ(unsetenv("ENGRAMD_ADDRESS"), 0);
  EXPECT_THAT(RunCtl({"tables", "--help"}).out, HasSubstr("unix:/run/engramd/engramd.sock"));
}

}  // namespace
}  // namespace engram::ctl
