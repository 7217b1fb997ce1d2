#include "client/examples/gpu_worker/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>
#include <optional>
#include <sstream>
#include <vector>

namespace engram::gpu_worker {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<std::optional<Options>> Parse(std::vector<const char*> flags,
                                             std::ostream& out = std::cout) {
  flags.insert(flags.begin(), "gpu_worker");
  return ParseOptions(static_cast<int>(flags.size()), flags.data(), out);
}

absl::StatusOr<std::optional<Options>> ParseWithRequired(std::vector<const char*> flags) {
  flags.insert(flags.end(), {"--name", "v41", "--config", "c", "--trace", "t"});
  return Parse(flags);
}

TEST(OptionsTest, HasDefaults) {
  const auto options = ParseWithRequired({});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ((*options)->shape.layers, 40);
  EXPECT_EQ((*options)->decode.ahead, 0);
  EXPECT_TRUE((*options)->shared_memory && (*options)->pin && (*options)->graphs);
  EXPECT_TRUE((*options)->decode.check);
  EXPECT_FALSE((*options)->json);
}

TEST(OptionsTest, SwitchesOff) {
  const auto options =
      ParseWithRequired({"--no-shared-memory", "--no-pin", "--no-graphs", "--no-check"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_FALSE((*options)->shared_memory || (*options)->pin || (*options)->graphs);
  EXPECT_FALSE((*options)->decode.check);
}

TEST(OptionsTest, RefusesWhatIsMissingOrOutOfRange) {
  EXPECT_THAT(Parse({}).status().message(), HasSubstr("--name"));
  EXPECT_THAT(ParseWithRequired({"--batch", "0"}).status().message(), HasSubstr("--batch"));
  EXPECT_THAT(ParseWithRequired({"--hidden", "100"}).status().message(),
              HasSubstr("\"100\" is not a multiple of 64"));
  EXPECT_THAT(ParseWithRequired({"--ahead", "-1"}).status().message(), HasSubstr("--ahead"));
  EXPECT_THAT(ParseWithRequired({"--fast"}).status().message(), HasSubstr("--fast"));
}

TEST(OptionsTest, PrintsHelp) {
  std::ostringstream out;
  const auto options = Parse({"--help"}, out);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_FALSE(options->has_value());
  EXPECT_THAT(out.str(), HasSubstr("--launch-first"));
}

}  // namespace
}  // namespace engram::gpu_worker
