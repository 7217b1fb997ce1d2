// Checkpoints are read back by hand (JSON and bytes) and compared with the published models' shape.
#include "client/checkpoint/checkpoint_writer.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/checkpoint/checkpoint_testing.h"

namespace engram {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint32_t kSmall = 100;

bool IsPrime(uint64_t n) {
  for (uint64_t divisor = 2; divisor * divisor <= n; ++divisor) {
    if (n % divisor == 0) return false;
  }
  return n >= 2;
}

// Row counts by the definition: every hash head has the next unused prime above the floor.
std::vector<uint64_t> ExpectedRows(uint64_t floor, size_t layers, size_t heads_per_layer) {
  std::vector<uint64_t> rows(layers);
  uint64_t prime = floor;
  for (uint64_t& sum : rows) {
    for (size_t head = 0; head < heads_per_layer; ++head) {
      do {
        ++prime;
      } while (!IsPrime(prime));
      sum += prime;
    }
  }
  return rows;
}

// The rows of one table, packed, as an importer would see them.
std::vector<std::byte> PackPlanes(const StoredTensor& weight, const StoredTensor& scale) {
  std::vector<std::byte> rows(weight.bytes.size() + scale.bytes.size());
  std::byte* out = rows.data();
  for (size_t row = 0; row < weight.shape[0]; ++row) {
    std::memcpy(out, weight.bytes.data() + row * 256, 256);
    std::memcpy(out + 256, scale.bytes.data() + row * 8, 8);
    out += 264;
  }
  return rows;
}

absl::Status CheckAllRows(const CheckpointTable& table, const std::vector<std::byte>& rows) {
  std::vector<uint32_t> ids(table.rows);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<uint32_t>(i);
  return CheckSelfDescribingRows(table.key, ids, rows, table.row_bytes);
}

TEST(DeepSeekCheckpointTest, HasTheModelsTensorsAndConfig) {
  const std::string directory = FreshDirectory("deepseek");
  const absl::StatusOr<CheckpointSummary> made = MakeCheckpoint(
      {.directory = directory, .vocab_size = kSmall, .token_vocab_size = 99'045, .seed = 3});
  ASSERT_TRUE(made.ok()) << made.status();

  const StoredCheckpoint stored = ReadCheckpoint(directory);
  const std::vector<uint64_t> rows = ExpectedRows(kSmall - 1, 2, 24);
  const nlohmann::json expected_config = {
      {"engram_layer_ids", {1, 14}}, {"engram_num_embeddings", rows},
      {"engram_max_ngram_size", 4},  {"engram_vocab_size", kSmall},
      {"engram_n_heads", 8},         {"engram_head_dim", 256},
      {"engram_pad_token_id", 2},    {"engram_compressed_vocab_size", 99'045}};
  EXPECT_EQ(stored.config.at("text_config"), expected_config);
  EXPECT_THAT(stored.tensors, SizeIs(5));
  EXPECT_TRUE(stored.tensors.contains("norm.weight"));

  ASSERT_THAT(made->tables, SizeIs(2));
  for (size_t i = 0; i < 2; ++i) {
    const CheckpointTable& table = made->tables[i];
    EXPECT_EQ(table.key, (SelfDescribingKey{.layer = i == 0 ? 1u : 14u, .seed = 3}));
    EXPECT_EQ(table.rows, rows[i]);
    EXPECT_EQ(table.row_bytes, 264u);
    const std::string prefix = absl::StrCat("layers.", table.key.layer, ".engram.embed.");
    const StoredTensor& weight = stored.tensors.at(prefix + "weight");
    const StoredTensor& scale = stored.tensors.at(prefix + "scale");
    EXPECT_EQ(weight.dtype, "F8_E4M3");
    EXPECT_THAT(weight.shape, ElementsAre(rows[i], 256));
    EXPECT_EQ(scale.dtype, "F8_E8M0");
    EXPECT_THAT(scale.shape, ElementsAre(rows[i], 8));
    EXPECT_EQ(CheckAllRows(table, PackPlanes(weight, scale)), absl::OkStatus());
  }
}

TEST(DeepSeekCheckpointTest, FullSizeHasTheModelsRowCounts) {
  // Cancelled before its first piece is complete: only the plan is of interest.
  uint64_t total = 0;
  const absl::StatusOr<CheckpointSummary> made =
      MakeCheckpoint({.directory = FreshDirectory("full"), .progress = [&](uint64_t, uint64_t t) {
                        total = t;
                        return false;
                      }});
  EXPECT_EQ(made.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(total, 202'758'032'400u + 128u);
}

TEST(QwenCheckpointTest, HasTheModelsTensorsAndConfig) {
  const std::string directory = FreshDirectory("qwen");
  const absl::StatusOr<CheckpointSummary> made =
      MakeCheckpoint({.directory = directory,
                      .geometry = CheckpointGeometry::kQwenPle,
                      .vocab_size = kSmall,
                      .max_shard_bytes = 100'000});
  ASSERT_TRUE(made.ok()) << made.status();
  ASSERT_THAT(made->tables, SizeIs(1));
  const CheckpointTable& table = made->tables[0];
  const uint64_t hashed_rows = ExpectedRows(kSmall, 1, 16)[0];
  EXPECT_EQ(table.rows, (hashed_rows + 127) / 128 * 128);
  EXPECT_EQ(table.row_bytes, 160u);
  EXPECT_EQ(table.key, (SelfDescribingKey{.layer = 2, .seed = 0}));

  const StoredCheckpoint stored = ReadCheckpoint(directory);
  const nlohmann::json& config = stored.config.at("text_config");
  EXPECT_EQ(config.at("ple_layer_ids"), nlohmann::json({2}));
  EXPECT_EQ(config.at("ngram_size"), 3);
  EXPECT_EQ(config.at("heads_per_ngram"), 8);
  EXPECT_EQ(config.at("ngram_vocab_size_base"), kSmall);
  const std::string prefix = "model.language_model.layers.1.ple.ple_embedding.";
  const StoredTensor& multipliers = stored.tensors.at(prefix + "layer_multipliers");
  EXPECT_EQ(multipliers.dtype, "I64");
  std::vector<int64_t> values(3);
  ASSERT_EQ(multipliers.bytes.size(), values.size() * sizeof(int64_t));
  std::memcpy(values.data(), multipliers.bytes.data(), multipliers.bytes.size());
  EXPECT_THAT(values, ElementsAre(23703573157769, 20109073645365, 8052911324071));
  EXPECT_THAT(stored.tensors.at(prefix + "ngram_heads_vocab_sizes").shape, ElementsAre(16));
  EXPECT_THAT(stored.tensors.at(prefix + "ngram_heads_offsets").shape, ElementsAre(16));
  const StoredTensor& scale = stored.tensors.at(prefix + "ngram_embedding.weight_scale");
  EXPECT_EQ(scale.dtype, "BF16");
  EXPECT_THAT(scale.shape, ElementsAre(1));

  std::string rows;
  for (int part = 0; part < 128; ++part) {
    const StoredTensor& tensor =
        stored.tensors.at(absl::StrCat(prefix, "ngram_embedding.shard_", part, ".weight"));
    EXPECT_EQ(tensor.dtype, "F8_E4M3");
    EXPECT_THAT(tensor.shape, ElementsAre(table.rows / 128, 160));
    rows += tensor.bytes;
  }
  std::vector<std::byte> bytes(rows.size());
  std::memcpy(bytes.data(), rows.data(), rows.size());
  EXPECT_EQ(CheckAllRows(table, bytes), absl::OkStatus());
}

TEST(QwenCheckpointTest, FullSizeHasTheModelsRowCount) {
  uint64_t total = 0;
  const absl::StatusOr<CheckpointSummary> made =
      MakeCheckpoint({.directory = FreshDirectory("full_qwen"),
                      .geometry = CheckpointGeometry::kQwenPle,
                      .progress = [&](uint64_t, uint64_t t) {
                        total = t;
                        return false;
                      }});
  EXPECT_EQ(made.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(total, uint64_t{320'001'536} * 160 + 128 + 24 + 128 + 128 + 2);
}

TEST(CheckpointShardsTest, StayBelowTheLimitUnlessOneTensorIsLarger) {
  const std::string directory = FreshDirectory("shards");
  const uint64_t rows = ExpectedRows(kSmall - 1, 1, 24)[0];
  // norm | weight 1 | scale 1 ... weight 14 does not fit beside it | weight 14 | scale 14
  const absl::StatusOr<CheckpointSummary> made =
      MakeCheckpoint({.directory = directory, .vocab_size = kSmall, .max_shard_bytes = rows * 255});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->shards, 5u);
  EXPECT_THAT(ListDirectory(directory),
              ElementsAre("config.json", "model-00001-of-00005.safetensors",
                          "model-00002-of-00005.safetensors", "model-00003-of-00005.safetensors",
                          "model-00004-of-00005.safetensors", "model-00005-of-00005.safetensors",
                          "model.safetensors.index.json"));
  const StoredCheckpoint stored = ReadCheckpoint(directory);
  EXPECT_NE(stored.tensors.at("layers.1.engram.embed.weight").file,
            stored.tensors.at("layers.1.engram.embed.scale").file);

  const std::string whole = FreshDirectory("one_shard");
  const absl::StatusOr<CheckpointSummary> one =
      MakeCheckpoint({.directory = whole, .vocab_size = kSmall});
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(one->shards, 1u);
  EXPECT_EQ(one->tensor_bytes, made->tensor_bytes);
  const StoredCheckpoint other = ReadCheckpoint(whole);
  for (const auto& [name, tensor] : stored.tensors) {
    EXPECT_EQ(tensor.bytes, other.tensors.at(name).bytes) << name;
  }
}

TEST(CheckpointProgressTest, RunsToTheEndInSmallSteps) {
  std::vector<uint64_t> done;
  uint64_t total = 0;
  const absl::StatusOr<CheckpointSummary> made =
      MakeCheckpoint({.directory = FreshDirectory("progress"),
                      .vocab_size = 2000,
                      .progress = [&](uint64_t bytes_done, uint64_t bytes_total) {
                        done.push_back(bytes_done);
                        total = bytes_total;
                        return true;
                      }});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(total, made->tensor_bytes);
  ASSERT_FALSE(done.empty());
  EXPECT_EQ(done.back(), total);
  uint64_t last = 0;
  for (const uint64_t bytes : done) {
    EXPECT_GT(bytes, last);
    EXPECT_LE(bytes - last, uint64_t{4} << 20);
    last = bytes;
  }
}

TEST(CheckpointErrorTest, CancelledLeavesNoFile) {
  const std::string directory = FreshDirectory("cancelled");
  const absl::StatusOr<CheckpointSummary> made =
      MakeCheckpoint({.directory = directory,
                      .vocab_size = kSmall,
                      .max_shard_bytes = 1,
                      .progress = [](uint64_t done, uint64_t total) { return done < total / 2; }});
  EXPECT_EQ(made.status().code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(ListDirectory(directory), IsEmpty());
}

TEST(CheckpointErrorTest, FullDiskIsNamedAndLeavesNoFile) {
  const std::string directory = FreshDirectory("full_disk");
  const std::string second_shard = directory + "/model-00002-of-00005.safetensors";
  std::filesystem::create_symlink("/dev/full", second_shard);
  const absl::StatusOr<CheckpointSummary> made =
      MakeCheckpoint({.directory = directory, .vocab_size = kSmall, .max_shard_bytes = 1});
  EXPECT_EQ(made.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(made.status().message(),
            absl::StrCat("cannot write ", second_shard, ": No space left on device"));
  EXPECT_THAT(ListDirectory(directory), IsEmpty());
}

TEST(CheckpointErrorTest, NeverWritesOverACheckpoint) {
  const std::string directory = FreshDirectory("twice");
  const CheckpointOptions options{.directory = directory, .vocab_size = kSmall};
  ASSERT_TRUE(MakeCheckpoint(options).ok());
  const absl::StatusOr<CheckpointSummary> again = MakeCheckpoint(options);
  EXPECT_EQ(again.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(again.status().message()), HasSubstr(directory + " holds a checkpoint"));
  EXPECT_THAT(ListDirectory(directory), SizeIs(3));
}

TEST(CheckpointErrorTest, DirectoryThatCannotBe) {
  const absl::StatusOr<CheckpointSummary> made =
      MakeCheckpoint({.directory = "/dev/null/checkpoint", .vocab_size = kSmall});
  EXPECT_EQ(made.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(made.status().message()), HasSubstr("/dev/null/checkpoint"));
}

TEST(CheckpointErrorTest, OptionsOutOfRange) {
  const std::string directory = FreshDirectory("options");
  const auto code = [](const CheckpointOptions& options) {
    return MakeCheckpoint(options).status().code();
  };
  EXPECT_EQ(code({.directory = ""}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.directory = directory, .vocab_size = kSmall, .max_shard_bytes = 0}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.directory = directory, .vocab_size = 200'000'000}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.directory = directory, .geometry = static_cast<CheckpointGeometry>(7)}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(ListDirectory(directory), IsEmpty());
}

}  // namespace
}  // namespace engram
