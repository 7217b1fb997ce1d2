#include <gmock/gmock.h>

#include <csignal>
#include <cstddef>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "client/engram_client.h"
#include "tests/client/ctl/ctl_testing.h"

namespace engram::ctl {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

// Null if that fails, which fails the running test. A table outlives its client.
std::unique_ptr<Table> OpenDemo(const std::string& address) {
  ClientOptions options;
  options.address = address;
  const auto client = Client::Connect(options);
  EXPECT_TRUE(client.ok()) << client.status();
  if (!client.ok()) return nullptr;
  auto table = (*client)->OpenTable("demo/layer1");
  EXPECT_TRUE(table.ok()) << table.status();
  return table.ok() ? *std::move(table) : nullptr;
}

TEST_F(CtlTest, StatsCountsWhereGroupsCameFrom) {
  ImportDemo();
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(Run({"fetch", "demo/layer1", "--ids", "0,1,2,3,4,5,6,7"}).exit_code, kSuccess);
  }
  const nlohmann::json stats = Run({"stats", "demo/layer1", "--json"}).json();
  EXPECT_EQ(stats["server"]["ram_budget_bytes"], 8 << 20);
  ASSERT_EQ(stats["tables"].size(), 1u);
  const nlohmann::json& table = stats["tables"][0];
  EXPECT_EQ(table["name"], "demo/layer1");
  EXPECT_EQ(table["fetches"], 4);
  EXPECT_EQ(table["groups"], 4);
  EXPECT_EQ(table["fetch_latency"]["count"], 4);
  ASSERT_EQ(table["tiers"].size(), 3u);
  EXPECT_EQ(table["tiers"][0]["tier"], "ram");
  EXPECT_EQ(table["tiers"][1]["tier"], "warm");
  EXPECT_EQ(table["tiers"][2]["tier"], "cold");
  EXPECT_EQ(table["tiers"][0]["hits"].get<int>() + table["tiers"][2]["hits"].get<int>(), 4);
  EXPECT_GE(table["tiers"][2]["reads"], 1);

  const Outcome text = Run({"stats", "demo/layer1"});
  EXPECT_EQ(text.exit_code, kSuccess) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("RAM tier: "), HasSubstr(" of 8.39 MB used"),
                              HasSubstr("demo/layer1 version 1, published"),
                              HasSubstr("fetches: 4, failed: 0, groups: 4"),
                              ContainsRegex("fetch latency: p50 .*, p99.9 .*, max ")));
  EXPECT_THAT(text.out, Not(HasSubstr("demo/layer14")));
  EXPECT_THAT(Run({"stats"}).out, HasSubstr("demo/layer14 version 1, published"));
}

TEST_F(CtlTest, StatsTellWhetherRowsCameInTime) {
  ImportDemo();
  EXPECT_THAT(Run({"stats"}).out, Not(HasSubstr("in time")));
  const std::unique_ptr<Table> table = OpenDemo(address());
  ASSERT_NE(table, nullptr);
  const std::vector<uint32_t> ids = {0, 1, 2, 3, 4, 5, 6, 7};
  std::vector<std::byte> rows(ids.size() * table->spec().row_bytes);
  const absl::Time now = absl::Now();
  for (const absl::Time needed_at : {now + absl::Hours(1), now + absl::Hours(2), now}) {
    ASSERT_TRUE(table->Fetch(ids, absl::MakeSpan(rows), {.needed_at = needed_at}).ok());
  }
  const nlohmann::json stats = Run({"stats", "demo/layer1", "--json"}).json()["tables"][0];
  EXPECT_EQ(stats["fetches_on_time"], 2);
  EXPECT_EQ(stats["fetches_late"], 1);
  EXPECT_EQ(stats["wasted_reads"], 0);
  EXPECT_THAT(Run({"stats", "demo/layer1"}).out, HasSubstr("\n  fetches in time: 2, late: 1\n"));
}

TEST_F(CtlTest, StatsTellOfHintsAndPartialAnswers) {
  ImportDemo();
  const std::string before = Run({"stats", "demo/layer1"}).out;
  EXPECT_THAT(before, AllOf(Not(HasSubstr("prefetched")), Not(HasSubstr("partial"))));
  const std::unique_ptr<Table> table = OpenDemo(address());
  ASSERT_NE(table, nullptr);
  ASSERT_TRUE(table->Prefetch({0, 1, 2, 3, 4, 5, 6, 7}).ok());
  std::vector<std::byte> rows(8 * table->spec().row_bytes);
  std::vector<Tier> tiers(1);
  for (uint32_t first = 8; tiers[0] != Tier::kAbsent; first += 8) {  // until one is too late
    std::vector<uint32_t> ids(8);
    std::iota(ids.begin(), ids.end(), first);
    ASSERT_TRUE(
        table
            ->Fetch(ids, absl::MakeSpan(rows),
                    {.deadline = absl::Now(), .tiers = absl::MakeSpan(tiers), .partial = true})
            .ok());
  }
  const nlohmann::json stats = Run({"stats", "demo/layer1", "--json"}).json()["tables"][0];
  EXPECT_GE(stats["prefetch"]["accepted"], 1);
  EXPECT_EQ(stats["prefetch"]["used"], 0);
  EXPECT_EQ(stats["partial_answers"], 1);
  EXPECT_EQ(stats["absent_groups"], 1);
  EXPECT_THAT(Run({"stats", "demo/layer1"}).out,
              AllOf(HasSubstr("\n  partial answers: 1, groups absent: 1\n"),
                    ContainsRegex("\n  groups prefetched: [12], used: 0, wasted: 0, dropped: 0")));
}

TEST_F(CtlTest, StatsTellWhoSharesMemory) {
  EXPECT_EQ(Run({"stats", "--json"}).json()["server"]["shared_memory_clients"], 0);
  EXPECT_THAT(Run({"stats"}).out, HasSubstr("\nshared memory: 0 clients, 0 B\n"));
  ClientOptions options;
  options.address = address();
  options.shared_memory_bytes = uint64_t{1} << 20;
  const auto client = Client::Connect(options);
  ASSERT_TRUE(client.ok()) << client.status();
  ASSERT_EQ((*client)->shared_memory(), absl::OkStatus());
  const nlohmann::json server = Run({"stats", "--json"}).json()["server"];
  EXPECT_EQ(server["shared_memory_clients"], 1);
  EXPECT_GE(server["shared_memory_bytes"], 1 << 20);
  EXPECT_THAT(Run({"stats"}).out, HasSubstr("\nshared memory: 1 clients, 1."));
}

TEST_F(CtlTest, StatsOfAnUnknownTable) {
  const Outcome unknown = Run({"stats", "none"});
  EXPECT_EQ(unknown.exit_code, kFailed);
  EXPECT_EQ(unknown.err, "engramctl: no table named \"none\"\n");
}

TEST_F(CtlTest, StatsWatchRepeatsUntilCtrlC) {
  int printed = 0;
  const Outcome watched = Run({"stats", "--watch", "0.001"}, {.on_out_flush = [&printed] {
                                if (++printed == 3) std::raise(SIGINT);
                              }});
  EXPECT_EQ(watched.exit_code, kSuccess) << watched.err;
  EXPECT_GE(printed, 3);
  size_t reports = 0;
  for (size_t at = 0; (at = watched.out.find("RAM tier:", at)) != std::string::npos; ++at) {
    ++reports;
  }
  EXPECT_EQ(reports, static_cast<size_t>(printed));
}

TEST_F(CtlTest, StatsWatchEndsWithTheDaemon) {
  const Outcome watched =
      Run({"stats", "--watch", "0.001"}, {.on_out_flush = [this] { StopDaemon(); }});
  EXPECT_EQ(watched.exit_code, kUnreachable);
  EXPECT_THAT(watched.err, HasSubstr("no daemon answers at " + address()));
}

}  // namespace
}  // namespace engram::ctl
