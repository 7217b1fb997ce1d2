#include <gmock/gmock.h>

#include <cstdint>
#include <fstream>

#include "client/ctl/load_hasher.h"
#include "client/hash/trace.h"
#include "tests/client/ctl/ctl_testing.h"

namespace engram::ctl {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class ReplayTest : public CtlTest {
 protected:
  // Replays some of the trace of tests/data, with more flags.
  Outcome Replay(const std::vector<std::string>& flags, const User& user = {}) const {
    std::vector<std::string> args = {"replay",      DataPath("prose_excerpt.u32.zst"),
                                     "--docs",      DataPath("prose_excerpt.docs.txt"),
                                     "--config",    checkpoint(),
                                     "--token-map", DataPath("token_map.u32.zst")};
    args.insert(args.end(), flags.begin(), flags.end());
    return Run(args, user);
  }

  // The number of rows of the checkpoint's layers.
  uint32_t RowsOfLayer(size_t index) const {
    const auto hasher = LoadHasher(checkpoint(), "");
    EXPECT_TRUE(hasher.ok()) << hasher.status();
    return static_cast<uint32_t>(hasher->layers()[index].rows);
  }

  // Imports tables <name>/layer1 and <name>/layer14 of self-describing rows, whose first table is
  // filled with rows of `layer` and `seed`.
  void ImportNpys(const std::string& name, uint32_t layer, uint32_t seed,
                  const std::string& group_size = "8") const {
    WriteSelfDescribingNpy(Path("1.npy"), layer, seed, RowsOfLayer(0), 32);
    WriteSelfDescribingNpy(Path("14.npy"), 14, 5, RowsOfLayer(1), 32);
    ASSERT_EQ(
        Run({"import", Path("1.npy"), name + "/layer1", "--group-size", group_size}).exit_code,
        kSuccess);
    ASSERT_EQ(Run({"import", Path("14.npy"), name + "/layer14", "--group-size", "8"}).exit_code,
              kSuccess);
  }
};

TEST_F(ReplayTest, ChecksAndCounts) {
  ImportDemo();
  // Twice 1,200 tokens: documents of 382, 691 and, cut off, 127; chunks that span them.
  const Outcome outcome =
      Replay({"--limit", "1200", "--passes", "2", "--chunk", "500", "--in-flight", "3", "--json"});
  EXPECT_EQ(outcome.exit_code, kSuccess) << outcome.err;
  const nlohmann::json report = outcome.json();
  EXPECT_EQ(report["name"], "demo");
  EXPECT_EQ(report["documents"], 3);
  EXPECT_EQ(report["tokens"], 2400);
  EXPECT_EQ(report["rows"], 2400 * 24 * 2);
  EXPECT_EQ(report["bytes"], 2400 * 24 * 2 * 264);
  EXPECT_EQ(report["checked"], true);
  EXPECT_EQ(report["complete"], true);
  EXPECT_EQ(report["chunk_latency"]["count"], 6);
  EXPECT_LE(report["chunk_latency"]["p50_us"], report["chunk_latency"]["max_us"]);
  EXPECT_GT(report["nvme_reads_per_token"], 0);
  int64_t all = 0;
  for (const char* order : {"2", "3", "4"}) {
    const nlohmann::json& groups = report["groups_by_order"][order];
    EXPECT_EQ(groups["ram"].get<int64_t>() + groups["cold"].get<int64_t>(), 2400 * 2) << order;
    all += groups["ram"].get<int64_t>();
  }
  EXPECT_EQ(report["groups"]["ram"], all);
  // Two words are repeated more often than four.
  EXPECT_GT(report["groups_by_order"]["2"]["ram"], report["groups_by_order"]["4"]["ram"]);

  const nlohmann::json stats = Run({"stats", "--json"}).json();
  // Each table once more for its row 0.
  EXPECT_EQ(stats["tables"][0]["groups"], 2400 * 3 + 1);
  EXPECT_EQ(stats["tables"][1]["groups"], 2400 * 3 + 1);
}

TEST_F(ReplayTest, Text) {
  ImportDemo();
  const Outcome outcome = Replay({"--limit", "600"});
  EXPECT_EQ(outcome.exit_code, kSuccess) << outcome.err;
  EXPECT_THAT(outcome.err, IsEmpty());
  EXPECT_THAT(outcome.out,
              AllOf(StartsWith("replayed 600 tokens through 2 layers of demo in "),
                    HasSubstr("every byte of every row is right"), HasSubstr(" tokens/s, "),
                    HasSubstr("latency of a chunk: p50 "), HasSubstr("reads from disk: "),
                    ContainsRegex("2-grams +[0-9.]+ % +[0-9.]+ % +1,200\n")));
}

TEST_F(ReplayTest, SaysHowTheRowsCame) {
  ImportDemo();
  EXPECT_THAT(Replay({"--limit", "100"}).out, HasSubstr("/s by shared memory\n"));
  EXPECT_EQ(Replay({"--limit", "100", "--json"}).json()["transport"], "shared_memory");
  EXPECT_THAT(Replay({"--limit", "100", "--no-shared-memory"}).out, HasSubstr("/s by gRPC\n"));
  EXPECT_EQ(Replay({"--limit", "100", "--no-shared-memory", "--json"}).json()["transport"], "grpc");
}

TEST_F(ReplayTest, KeepsToARate) {
  ImportDemo();
  const Outcome outcome = Replay(
      {"--limit", "600", "--chunk", "100", "--in-flight", "3", "--tokens-per-s", "2000", "--json"});
  EXPECT_EQ(outcome.json()["tokens"], 600) << outcome.err;
  // The first chunk need not wait for its turn.
  EXPECT_LE(outcome.json()["tokens_per_second"], 2000.0 * 600 / 500);
  EXPECT_THAT(Replay({"--tokens-per-s", "0"}).err,
              HasSubstr("--tokens-per-s: \"0\" is not a number above 0"));
}

TEST_F(ReplayTest, CtrlCEndsAWaitForATurn) {
  ImportDemo();
  const Outcome outcome = Replay({"--chunk", "100", "--tokens-per-s", "0.001", "--json"},
                                 {.err_is_terminal = true, .on_err_flush = CtrlCOnce()});
  EXPECT_EQ(outcome.exit_code, kFailed);
  EXPECT_EQ(outcome.json()["tokens"], 100);
}

TEST_F(ReplayTest, CtrlCReportsWhatWasDone) {
  ImportDemo();
  const Outcome outcome = Replay({"--passes", "1000000", "--json"},
                                 {.err_is_terminal = true, .on_err_flush = CtrlCOnce()});
  EXPECT_EQ(outcome.exit_code, kFailed);
  EXPECT_EQ(outcome.json()["complete"], false);
  EXPECT_THAT(outcome.err, HasSubstr("engramctl: replay cancelled before its end\n"));
}

TEST_F(ReplayTest, NamesTheModelOnlyWhereThereIsAChoice) {
  MakeCheckpoint();
  const Outcome none = Replay({"--limit", "100"});
  EXPECT_EQ(none.exit_code, kFailed);
  EXPECT_THAT(none.err, HasSubstr("<name>/layer1, <name>/layer14"));

  ASSERT_EQ(Run({"import", checkpoint(), "a"}).exit_code, kSuccess);
  ASSERT_EQ(Run({"import", checkpoint(), "half", "--layer", "1"}).exit_code, kSuccess);
  EXPECT_EQ(Replay({"--limit", "100"}).exit_code, kSuccess);

  ASSERT_EQ(Run({"import", checkpoint(), "b"}).exit_code, kSuccess);
  const Outcome several = Replay({"--limit", "100"});
  EXPECT_EQ(several.exit_code, kFailed);
  EXPECT_THAT(several.err, HasSubstr("--name a or --name b"));
  EXPECT_EQ(Replay({"--limit", "100", "--name", "b"}).exit_code, kSuccess);
  const Outcome half = Replay({"--limit", "100", "--name", "half"});
  EXPECT_EQ(half.exit_code, kFailed);
  EXPECT_THAT(half.err, HasSubstr("half/layer14"));
}

TEST_F(ReplayTest, FindsRowsOfAnotherTable) {
  MakeCheckpoint();
  ImportNpys("wrong", /*layer=*/14, /*seed=*/9);
  const Outcome wrong = Replay({"--limit", "100"});
  EXPECT_EQ(wrong.exit_code, kWrongData);
  EXPECT_THAT(wrong.out, IsEmpty());
  EXPECT_THAT(wrong.err, ContainsRegex("engramctl: wrong/layer1 version 1: row [0-9]+ of layer 1, "
                                       "seed 9 \\(index [0-9]+\\) is wrong at byte 4"));
  EXPECT_EQ(Replay({"--limit", "100", "--no-check"}).exit_code, kSuccess);
}

TEST_F(ReplayTest, TakesTheSeedFromTheTable) {
  MakeCheckpoint();
  ImportNpys("seeded", /*layer=*/1, /*seed=*/9);
  const Outcome outcome = Replay({"--limit", "100"});
  EXPECT_EQ(outcome.exit_code, kSuccess) << outcome.err;
}

TEST_F(ReplayTest, FindsADamagedRow) {
  MakeCheckpoint();
  ASSERT_EQ(Run({"import", checkpoint(), "demo"}).exit_code, kSuccess);
  // The row of the first token under the first head.
  const auto hasher = LoadHasher(checkpoint(), DataPath("token_map.u32.zst"));
  ASSERT_TRUE(hasher.ok()) << hasher.status();
  const auto trace = ReadTrace(DataPath("prose_excerpt.u32.zst"));
  ASSERT_TRUE(trace.ok()) << trace.status();
  NgramHistory history = hasher->SegmentStart();
  NgramBatch batch;
  ASSERT_TRUE(hasher->Append({trace->tokens[0]}, history, batch).ok());
  std::vector<uint32_t> ids(24);
  ASSERT_TRUE(hasher->Hash(/*layer=*/0, batch, absl::MakeSpan(ids)).ok());
  DamageStoredRow(ids[0], 264);
  const Outcome damaged = Replay({"--limit", "100"});
  EXPECT_EQ(damaged.exit_code, kWrongData);
  EXPECT_THAT(damaged.err, StartsWith("engramctl: demo/layer1 version 1: "));
}

TEST_F(ReplayTest, RefusesTablesThatDoNotFit) {
  MakeCheckpoint();
  ImportNpys("single", 1, 0, /*group_size=*/"1");
  const Outcome groups = Replay({"--limit", "100"});
  EXPECT_EQ(groups.exit_code, kFailed);
  EXPECT_THAT(groups.err, HasSubstr("--group-size 8"));

  WriteSelfDescribingNpy(Path("short.npy"), 1, 0, 80, 32);
  ASSERT_EQ(Run({"import", Path("short.npy"), "single/layer1", "--group-size", "8"}).exit_code,
            kSuccess);
  const Outcome rows = Replay({"--limit", "100"});
  EXPECT_EQ(rows.exit_code, kFailed);
  EXPECT_THAT(rows.err, HasSubstr("single/layer1 has 80 rows"));
}

TEST_F(ReplayTest, SaysThatRowsDoNotDescribeThemselves) {
  MakeCheckpoint();
  WriteSelfDescribingNpy(Path("1.npy"), 1, 0, RowsOfLayer(0), 12);  // too short for a header
  WriteSelfDescribingNpy(Path("14.npy"), 14, 0, RowsOfLayer(1), 12);
  for (const std::string layer : {"1", "14"}) {
    ASSERT_EQ(
        Run({"import", Path(layer + ".npy"), "plain/layer" + layer, "--group-size", "8"}).exit_code,
        kSuccess);
  }
  const Outcome plain = Replay({"--limit", "100"});
  EXPECT_EQ(plain.exit_code, kFailed);
  EXPECT_THAT(plain.err, HasSubstr("--no-check"));
  const Outcome unchecked = Replay({"--limit", "100", "--no-check"});
  EXPECT_EQ(unchecked.exit_code, kSuccess) << unchecked.err;
  EXPECT_THAT(unchecked.out, HasSubstr("were not checked"));
}

TEST_F(ReplayTest, BadInput) {
  ImportDemo();
  const auto expect = [this](const std::vector<std::string>& args, const std::string& message) {
    const Outcome outcome = Run(args);
    EXPECT_EQ(outcome.exit_code, kFailed) << message;
    EXPECT_THAT(outcome.err, HasSubstr(message));
  };
  const std::string trace = DataPath("prose_excerpt.u32.zst");
  const std::string config = checkpoint();
  expect({"replay", Path("none.u32"), "--config", config}, Path("none.u32"));
  expect({"replay", trace, "--config", Path("none")}, Path("none"));
  expect({"replay", trace, "--config", config, "--docs", trace}, trace);
  expect({"replay", trace, "--config", config, "--token-map", trace}, trace);
  // Without the map the trace's ids are beyond the compressed ones.
  expect({"replay", trace, "--config", config}, "is not in the token map");
  expect({"replay", trace, "--config", config, "--chunk", "1000000"}, "--chunk");
  expect({"replay", trace, "--config", DataPath("v41_config.json")}, "of different models");
  // A damaged trace is no word on the daemon's data.
  std::ofstream(Path("cut.u32.zst"), std::ios::binary) << ReadFile(trace).substr(0, 1000);
  expect({"replay", Path("cut.u32.zst"), "--config", config}, "cut.u32.zst");
}

}  // namespace
}  // namespace engram::ctl
