#include "server/flags.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/server_testing.h"

namespace engram::server {
namespace {

using storage::ReadEngineOptions;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

absl::StatusOr<std::optional<DaemonFlags>> Parse(std::vector<const char*> arguments,
                                                 std::string* printed = nullptr) {
  arguments.insert(arguments.begin(), "engramd");
  std::ostringstream out;
  auto flags = ParseFlags(static_cast<int>(arguments.size()), arguments.data(), out);
  if (printed != nullptr) {
    *printed = out.str();
  }
  return flags;
}

DaemonFlags ParseGood(const std::vector<const char*>& arguments) {
  auto flags = Parse(arguments);
  EXPECT_TRUE(flags.ok()) << flags.status();
  EXPECT_TRUE(flags->has_value());
  return **flags;
}

TEST(FlagsTest, DefaultsAreThoseOfAnInstalledDaemon) {
  const DaemonFlags flags = ParseGood({});
  EXPECT_EQ(flags.server.store.data_dir, "/var/lib/engramd");
  EXPECT_EQ(flags.server.unix_socket, "/run/engramd/engramd.sock");
  EXPECT_EQ(flags.server.unix_socket_mode, 0660);
  EXPECT_EQ(flags.server.tcp_address, "");
  EXPECT_EQ(flags.server.store.ram_budget_bytes, uint64_t{4} << 30);
  EXPECT_EQ(flags.server.store.read_engine.kind, ReadEngineOptions::Kind::kAuto);
  EXPECT_TRUE(flags.server.store.read_engine.direct_io);
  EXPECT_FALSE(flags.server.reflection);
  EXPECT_EQ(flags.drain_grace, absl::Seconds(30));
}

TEST(FlagsTest, EveryFlagIsTaken) {
  const DaemonFlags flags = ParseGood({"--data-dir=/data",
                                       "--ram-budget=1536MiB",
                                       "--ram-whole=a/layer1",
                                       "--ram-whole=b",
                                       "--prefetch-memory=1MiB",
                                       "--window=a/layer1=250us",
                                       "--window=b=3.5ms",
                                       "--ram-share=a/layer1=0.25",
                                       "--ram-share=b=50%",
                                       "--io-threads=7",
                                       "--io-engine=pread",
                                       "--io-queue-depth=32",
                                       "--pread-threads=5",
                                       "--no-direct-io",
                                       "--socket=/s",
                                       "--socket-mode=0600",
                                       "--listen=127.0.0.1:7411",
                                       "--reflection",
                                       "--max-answer=32MiB",
                                       "--max-request=1MB",
                                       "--max-in-flight=2GiB",
                                       "--max-stream-fetches=9",
                                       "--drain-seconds=2.5",
                                       "--hot-set-seconds=90",
                                       "--hot-image-rate=8MB",
                                       "--log-level=debug"});
  const storage::StoreOptions& store = flags.server.store;
  EXPECT_EQ(store.data_dir, "/data");
  EXPECT_EQ(store.ram_budget_bytes, uint64_t{3} << 29);
  EXPECT_THAT(store.whole_tables, ElementsAre("a/layer1", "b"));
  EXPECT_EQ(store.prefetch_bytes, uint64_t{1} << 20);
  EXPECT_THAT(store.windows, ElementsAre(Pair("a/layer1", absl::Microseconds(250)),
                                         Pair("b", absl::Microseconds(3500))));
  EXPECT_THAT(store.ram_shares, ElementsAre(Pair("a/layer1", 0.25), Pair("b", 0.5)));
  EXPECT_EQ(store.io_threads, 7);
  EXPECT_EQ(store.read_engine.kind, ReadEngineOptions::Kind::kPread);
  EXPECT_EQ(store.read_engine.queue_depth, 32);
  EXPECT_EQ(store.read_engine.pread_threads, 5);
  EXPECT_FALSE(store.read_engine.direct_io);
  EXPECT_EQ(flags.server.unix_socket, "/s");
  EXPECT_EQ(flags.server.unix_socket_mode, 0600);
  EXPECT_EQ(flags.server.tcp_address, "127.0.0.1:7411");
  EXPECT_TRUE(flags.server.reflection);
  EXPECT_EQ(flags.server.max_answer_bytes, 32 << 20);
  EXPECT_EQ(flags.server.max_request_bytes, 1'000'000);
  EXPECT_EQ(flags.server.max_in_flight_bytes, uint64_t{2} << 30);
  EXPECT_EQ(flags.server.max_stream_fetches, 9);
  EXPECT_EQ(flags.drain_grace, absl::Milliseconds(2500));
  EXPECT_EQ(flags.server.store.hot_set_period, absl::Seconds(90));
  EXPECT_EQ(flags.server.store.hot_image_bytes_per_s, 8'000'000);
  EXPECT_EQ(flags.log_level, "debug");
}

class FlagFileTest : public testing::Test {
 protected:
  FlagFileTest() : dir_(TestDir("flags")), path_(dir_ + "/engramd.flags") {}
  ~FlagFileTest() override { std::filesystem::remove_all(dir_); }

  absl::StatusOr<std::optional<DaemonFlags>> ParseFile(const std::string& content,
                                                       const std::vector<const char*>& more = {}) {
    std::ofstream(path_) << content;
    const std::string flag = "--flagfile=" + path_;
    std::vector<const char*> arguments = more;
    arguments.push_back(flag.c_str());
    return Parse(arguments);
  }

  const std::string dir_;
  const std::string path_;
};

TEST_F(FlagFileTest, HoldsOneFlagALine) {
  const auto flags = ParseFile(
      "# tables\n--data-dir=/data=1\n--io-threads 7\n\n  --ram-whole=a  "
      "\n--ram-whole=b\nno-direct-io\n"
      "--reflection\n--ram-budget=1GiB");
  ASSERT_TRUE(flags.ok()) << flags.status();
  const ServerOptions& server = (*flags)->server;
  EXPECT_EQ(server.store.data_dir, "/data=1");
  EXPECT_EQ(server.store.io_threads, 7);
  EXPECT_THAT(server.store.whole_tables, ElementsAre("a", "b"));
  EXPECT_TRUE(server.reflection);
  EXPECT_FALSE(server.store.read_engine.direct_io);
  EXPECT_EQ(server.store.ram_budget_bytes, 1 << 30);
}

TEST_F(FlagFileTest, TheCommandLineWins) {
  const auto flags = ParseFile("--io-threads=3\n--data-dir=/file\n", {"--io-threads=5"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ((*flags)->server.store.io_threads, 5);
  EXPECT_EQ((*flags)->server.store.data_dir, "/file");
}

TEST_F(FlagFileTest, UnknownFlagsAreNamed) {
  const auto flags = ParseFile("--no-such-flag=3\n");
  EXPECT_EQ(flags.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(flags.status().message()), HasSubstr("no flag --no-such-flag"));
}

TEST_F(FlagFileTest, AMissingFileIsNamed) {
  const auto flags = Parse({"--flagfile=/no/such/file"});
  EXPECT_EQ(flags.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(flags.status().message()), HasSubstr("/no/such/file"));
}

TEST(FlagsTest, BadFlagsAreNamed) {
  const std::pair<const char*, const char*> bad[] = {
      {"--ram-budget=lots", "--ram-budget"},
      {"--ram-budget=-1", "--ram-budget"},
      {"--ram-budget=18446744073709551616", "'18446744073709551616' is no size"},
      {"--ram-budget=1.5GiB", "'1.5GiB' is no size"},
      {"--ram-budget=", "--ram-budget"},
      {"--ram-budget=010GiB", "'010GiB' is no size"},
      {"--ram-budget=0x10", "'0x10' is no size"},
      {"--ram-budget=18446744073709551615KB", "--ram-budget"},
      {"--io-threads=x", "--io-threads"},
      {"--io-engine=aio", "--io-engine: 'aio' is not auto, io_uring or pread"},
      {"--io-engine=1", "'1' is not auto"},
      {"--socket-mode=0999", "--socket-mode"},
      {"--socket-mode=1777", "--socket-mode"},
      {"--log-level=loud", "--log-level"},
      {"--drain-seconds=-1", "--drain-seconds"},
      {"--drain-seconds=nan", "--drain-seconds"},
      {"--drain-seconds=9e9", "--drain-seconds"},
      {"--hot-set-seconds=-1", "--hot-set-seconds"},
      {"--hot-image-rate=-1", "--hot-image-rate"},
      {"--window=a", "'a' is not TABLE=DURATION"},
      {"--window=a=fast", "'fast' in 'a=fast' is no DURATION"},
      {"--window=a=-1ms", "--window"},
      {"--window=a=inf", "--window"},
      {"--ram-share==0.5", "--ram-share"},
      {"--ram-share=a=0", "'0' in 'a=0' is no FRACTION"},
      {"--ram-share=a=nan", "--ram-share"},
      {"--ram-share=a=101%", "--ram-share"},
      {"--no-such-flag", "--no-such-flag"},
      {"stray", "stray"}};
  for (const auto& [argument, named] : bad) {
    const auto flags = Parse({argument});
    EXPECT_EQ(flags.status().code(), absl::StatusCode::kInvalidArgument) << argument;
    EXPECT_THAT(std::string(flags.status().message()), HasSubstr(named)) << argument;
  }
}

TEST(FlagsTest, ATableHasOneValue) {
  const auto flags = Parse({"--window=a=1ms", "--window=a=2ms"});
  EXPECT_EQ(flags.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(flags.status().message()), HasSubstr("table 'a' is given twice"));
}

TEST(FlagsTest, HelpAndVersionArePrinted) {
  std::string printed;
  auto flags = Parse({"--help"}, &printed);
  ASSERT_TRUE(flags.ok());
  EXPECT_FALSE(flags->has_value());
  EXPECT_THAT(printed, HasSubstr("--ram-budget"));
  flags = Parse({"--version"}, &printed);
  ASSERT_TRUE(flags.ok());
  EXPECT_FALSE(flags->has_value());
  EXPECT_THAT(printed, HasSubstr(ENGRAM_VERSION));
}

}  // namespace
}  // namespace engram::server
