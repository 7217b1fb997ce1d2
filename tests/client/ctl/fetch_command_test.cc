#include <gmock/gmock.h>

#include <cstddef>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/checkpoint/self_describing.h"
#include "client/ctl/load_hasher.h"
#include "tests/client/ctl/ctl_testing.h"

namespace engram::ctl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr size_t kRowBytes = 264;

std::string RowOf(uint32_t layer, uint32_t row_id) {
  std::string row(kRowBytes, 0);
  FillSelfDescribingRow({.layer = layer, .seed = 0}, row_id,
                        absl::MakeSpan(reinterpret_cast<std::byte*>(row.data()), row.size()));
  return row;
}

std::string LineOf(uint32_t layer, uint32_t row_id) {
  return absl::StrCat(row_id, ": ", absl::BytesToHexString(RowOf(layer, row_id)));
}

TEST_F(CtlTest, FetchPrintsRowsOfIdsInTheirOrder) {
  ImportDemo();
  const Outcome text = Run({"fetch", "demo/layer14", "--ids", "9,5,5"});
  EXPECT_EQ(text.exit_code, kSuccess) << text.err;
  const std::vector<std::string> lines = absl::StrSplit(text.out, '\n');
  EXPECT_THAT(lines, ElementsAre(LineOf(14, 9), LineOf(14, 5), LineOf(14, 5), ""));

  const nlohmann::json json = Run({"fetch", "--ids", "7", "demo/layer1", "--json"}).json();
  EXPECT_EQ(json["name"], "demo/layer1");
  EXPECT_EQ(json["version"], 1);
  ASSERT_EQ(json["rows"].size(), 1u);
  EXPECT_EQ(json["rows"][0]["id"], 7);
  EXPECT_EQ(json["rows"][0]["hex"], absl::BytesToHexString(RowOf(1, 7)));
}

TEST_F(CtlTest, FetchHashesTokens) {
  ImportDemo();
  const auto hasher = LoadHasher(checkpoint(), "");
  ASSERT_TRUE(hasher.ok()) << hasher.status();
  NgramHistory history = hasher->SegmentStart();
  NgramBatch batch;
  ASSERT_TRUE(hasher->Append({5, 6}, history, batch).ok());
  std::vector<uint32_t> ids(2 * 24);
  ASSERT_TRUE(hasher->Hash(/*layer=*/1, batch, absl::MakeSpan(ids)).ok());

  const std::vector<std::string> command = {"fetch",    "demo/layer14", "--tokens", "5,6",
                                            "--config", checkpoint(),   "--tiers"};
  const Outcome text = Run(command);
  EXPECT_EQ(text.exit_code, kSuccess) << text.err;
  std::vector<std::string> expected;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i % 8 == 0) {
      expected.push_back(
          absl::StrCat("# token ", i < 24 ? 5 : 6, ", ", 2 + i / 8 % 3, "-gram: cold"));
    }
    expected.push_back(LineOf(14, ids[i]));
  }
  expected.push_back("");
  const std::vector<std::string> lines = absl::StrSplit(text.out, '\n');
  EXPECT_EQ(lines, expected);

  std::vector<std::string> other_layer = command;
  other_layer.insert(other_layer.end(), {"--layer", "1"});
  EXPECT_NE(Run(other_layer).out, text.out);
}

TEST_F(CtlTest, FetchWritesNpy) {
  ImportDemo();
  const std::string path = Path("rows.npy");
  const Outcome text = Run({"fetch", "demo/layer1", "--ids", "3,1", "--npy", path, "--tiers"});
  EXPECT_EQ(text.exit_code, kSuccess) << text.err;
  EXPECT_EQ(text.out, "# group 0: cold\nwrote " + path + ": 2 rows of 264 bytes\n");
  const std::string file = ReadFile(path);
  ASSERT_GT(file.size(), 2 * kRowBytes);
  const std::string header = file.substr(0, file.size() - 2 * kRowBytes);
  EXPECT_THAT(header, StartsWith(std::string("\x93NUMPY\x01\x00", 8)));
  EXPECT_EQ(header.size() % 64, 0u);
  EXPECT_EQ(static_cast<unsigned char>(header[8]) + 256u * static_cast<unsigned char>(header[9]),
            header.size() - 10);
  EXPECT_THAT(header, HasSubstr("'descr': '|u1', 'fortran_order': False, 'shape': (2, 264)"));
  EXPECT_EQ(file.substr(header.size()), RowOf(1, 3) + RowOf(1, 1));

  const Outcome imported = Run({"import", path, "again"});
  EXPECT_EQ(imported.exit_code, kSuccess) << imported.err;
  const nlohmann::json row = Run({"fetch", "again", "--ids", "1", "--json"}).json()["rows"][0];
  EXPECT_EQ(row["hex"], absl::BytesToHexString(RowOf(1, 1)));
}

TEST_F(CtlTest, FetchErrors) {
  ImportDemo();
  const auto expect = [this](const std::vector<std::string>& args, const std::string& message) {
    const Outcome outcome = Run(args);
    EXPECT_EQ(outcome.exit_code, kFailed) << message;
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr(message));
  };
  const std::string config = checkpoint();
  expect({"fetch", "none", "--ids", "1"}, "no table named \"none\"");
  expect({"fetch", "demo/layer1", "--version", "7", "--ids", "1"}, "7");
  expect({"fetch", "demo/layer1", "--ids", "1,99999999"}, "row id 99999999 at index 1");
  expect({"fetch", "demo/layer1", "--ids", "1", "--npy", Path("no/such.npy")}, "no/such.npy");
  expect({"fetch", "demo/layer1", "--tokens", "5", "--config", Path("none")}, Path("none"));
  expect({"fetch", "demo/layer1", "--tokens", "5,99092", "--config", config}, "token 99092");
  expect({"fetch", "demo", "--tokens", "5", "--config", config}, "--layer");
  expect({"fetch", "demo/layer1", "--tokens", "5", "--config", config, "--layer", "2"},
         "no Engram layer 2");
  expect({"fetch", "demo/layer1", "--tokens", "5", "--config", config, "--token-map",
          config + "/config.json"},
         "config.json");
}

TEST_F(CtlTest, FetchTakesNoEmptyListForRowZero) {
  ImportDemo();
  for (const char* ids : {"", "1,x", "-1", "4294967296"}) {
    const Outcome outcome = Run({"fetch", "demo/layer1", "--ids", ids});
    EXPECT_EQ(outcome.exit_code, kUsage) << ids;
    EXPECT_EQ(outcome.out, "") << ids;
    EXPECT_THAT(outcome.err, HasSubstr("--ids")) << ids;
  }
}

}  // namespace
}  // namespace engram::ctl
