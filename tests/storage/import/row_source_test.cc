// Checkpoints of the published models, and options that contradict one another.
#include "storage/import/row_source.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/storage/import/model_files_testing.h"

namespace engram::storage {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kRows1 = 50;
constexpr uint64_t kRows14 = 61;

Json DeepSeekConfig() {
  return {{"text_config",
           {{"engram_layer_ids", {1, 14}},
            {"engram_num_embeddings", {kRows1, kRows14}},
            {"engram_max_ngram_size", 4},
            {"engram_n_heads", 8},
            {"engram_head_dim", 256}}}};
}

// Both layers of DeepSeek-V4.1: layer 1 with its planes in two shards, layer 14 in one.
struct DeepSeekFiles {
  std::string prefix;
  Json config = DeepSeekConfig();
  std::vector<TestTensor> a = {
      {"norm.weight", "BF16", {3}, Pattern(9, 6)},
      {"layers.1.engram.embed.weight", "F8_E4M3", {kRows1, 256}, Pattern(1, kRows1 * 256)}};
  std::vector<TestTensor> b = {
      {"layers.14.engram.embed.weight", "F8_E4M3", {kRows14, 256}, Pattern(3, kRows14 * 256)},
      {"layers.14.engram.embed.scale", "F8_E8M0", {kRows14, 8}, Pattern(4, kRows14 * 8)},
      {"layers.1.engram.embed.scale", "F8_E8M0", {kRows1, 8}, Pattern(2, kRows1 * 8)}};

  void Write(const ScratchDirectory& dir) const {
    std::vector<std::pair<std::string, std::string>> index;
    for (const auto& [shard, tensors] : {std::pair("a.safetensors", a), {"b.safetensors", b}}) {
      std::vector<TestTensor> named = tensors;
      for (TestTensor& tensor : named) {
        tensor.name = prefix + tensor.name;
        index.emplace_back(tensor.name, shard);
      }
      dir.Write(shard, SafetensorsBytes(named));
    }
    dir.Write("model.safetensors.index.json", IndexText(index));
    dir.Write("config.json", config.dump(2));
  }
};

ImportOptions Options(const std::string& path) {
  ImportOptions options;
  options.path = path;
  options.name = "model";
  return options;
}

TEST(DeepSeekImportTest, PacksBothLayers) {
  for (const char* prefix : {"", "model.", "model.language_model."}) {
    ScratchDirectory dir;
    DeepSeekFiles files;
    files.prefix = prefix;
    files.Write(dir);
    const auto sources = OpenRowSources(Options(dir.path()));
    ASSERT_TRUE(sources.ok()) << sources.status();
    ASSERT_EQ(sources->size(), 2u);
    EXPECT_EQ((*sources)[0].table, "model/layer1");
    EXPECT_EQ((*sources)[1].table, "model/layer14");
    const TableSpec expected = {.rows = kRows14,
                                .row_bytes = 264,
                                .value_format = ValueFormat::kFp8E4m3E8m0,
                                .values_per_row = 256,
                                .scale_block = 32,
                                .scalar_scale = 1.0F,
                                .group_size = 8,
                                .orders = {2, 3, 4}};
    EXPECT_EQ((*sources)[1].rows->spec(), expected);
    EXPECT_EQ(AllRows(*(*sources)[0].rows),
              SideBySide(Pattern(1, kRows1 * 256), Pattern(2, kRows1 * 8), kRows1));
    EXPECT_EQ(AllRows(*(*sources)[1].rows),
              SideBySide(Pattern(3, kRows14 * 256), Pattern(4, kRows14 * 8), kRows14));
    EXPECT_EQ((*sources)[0].rows->description(),
              absl::StrCat(dir.path(), ": ", prefix, "layers.1.engram.embed.weight + ", prefix,
                           "layers.1.engram.embed.scale"));
  }
}

TEST(DeepSeekImportTest, TakesOneLayerAndOverrides) {
  ScratchDirectory dir;
  DeepSeekFiles().Write(dir);
  ImportOptions options = Options(dir.path());
  options.layer = 14;
  options.group_size = 24;
  options.orders = {4};
  const auto sources = OpenRowSources(options);
  ASSERT_TRUE(sources.ok()) << sources.status();
  ASSERT_EQ(sources->size(), 1u);
  EXPECT_EQ((*sources)[0].table, "model/layer14");
  EXPECT_EQ((*sources)[0].rows->spec().group_size, 24u);
  EXPECT_EQ((*sources)[0].rows->spec().orders, std::vector<uint32_t>{4});
  options.layer = 2;
  EXPECT_THAT(OpenRowSources(options), IsError(kNotFound, "layer 2 is not an Engram layer"));
  options.layer = 1;
  options.group_size = 65;
  EXPECT_THAT(OpenRowSources(options), IsError(kInvalid, "group_size is 65"));
}

TEST(DeepSeekImportTest, RefusesWhatDisagreesWithTheConfig) {
  const std::vector<std::pair<std::function<void(DeepSeekFiles&)>, const char*>> cases = {
      {[](DeepSeekFiles& f) {
         f.config["text_config"]["engram_num_embeddings"] = {kRows1, 60};
       },
       "tensor 'layers.14.engram.embed.weight' is F8_E4M3 [61, 256], but config.json says "
       "engram_num_embeddings 60 for layer 14"},
      {[](DeepSeekFiles& f) { f.config["text_config"]["engram_head_dim"] = 128; },
       "tensor 'layers.1.engram.embed.weight' is F8_E4M3 [50, 256], but config.json says "
       "engram_head_dim 128"},
      {[](DeepSeekFiles& f) { f.a[1].type = "U8"; }, "scales for blocks go with F8_E4M3 values"},
      {[](DeepSeekFiles& f) {
         f.a[1].type = "U8";
         f.b.pop_back();
       },
       "is U8 [50, 256], but an Engram table holds F8_E4M3, BF16"},
      {[](DeepSeekFiles& f) { f.b[2].shape = {kRows1 * 8}; },
       "tensor 'layers.1.engram.embed.scale'"},
      {[](DeepSeekFiles& f) {
         f.b[1].shape = {kRows14 * 2, 4};
       },
       "is F8_E8M0 [122, 4], but its "
       "table has 61 rows"},
      {[](DeepSeekFiles& f) { f.a[1].shape = {kRows1 * 256}; }, "a table needs [rows, values]"},
      {[](DeepSeekFiles& f) { f.config = Json::array(); }, "config.json: is not a JSON object"},
  };
  for (const auto& [spoil, message] : cases) {
    ScratchDirectory dir;
    DeepSeekFiles files;
    spoil(files);
    files.Write(dir);
    EXPECT_THAT(OpenRowSources(Options(dir.path())), IsError(kInvalid, message));
  }
}

TEST(DeepSeekImportTest, SaysWhatIsMissing) {
  ScratchDirectory dir;
  DeepSeekFiles files;
  files.b.pop_back();
  files.Write(dir);
  EXPECT_THAT(OpenRowSources(Options(dir.path())),
              IsError(kNotFound, "holds no tensor 'layers.1.engram.embed.scale'"));
  files.a.pop_back();
  files.Write(dir);
  EXPECT_THAT(
      OpenRowSources(Options(dir.path())),
      IsError(kNotFound, "holds no tensor 'layers.1.engram.embed.weight' of Engram layer 1"));
  ScratchDirectory no_config;
  no_config.Write("model.safetensors", SafetensorsBytes(files.b));
  EXPECT_THAT(OpenRowSources(Options(no_config.path())), IsError(kNotFound, "/config.json"));
}

TEST(DeepSeekImportTest, TakesValuesThatNeedNoScale) {
  ScratchDirectory dir;
  DeepSeekFiles files;
  files.config["text_config"]["engram_layer_ids"] = {1};
  files.config["text_config"]["engram_num_embeddings"] = {kRows1};
  files.a[1] = {"layers.1.engram.embed.weight", "BF16", {kRows1, 256}, Pattern(1, kRows1 * 512)};
  files.b.clear();
  files.Write(dir);
  const std::unique_ptr<RowSource> rows = OpenSingle(Options(dir.path()));
  ASSERT_NE(rows, nullptr);
  EXPECT_EQ(rows->spec().value_format, ValueFormat::kBf16);
  EXPECT_EQ(AllRows(*rows), Pattern(1, kRows1 * 512));
}

// Qwen3.8-Flash-Next: 12 parts, so that their order by number is not that by name.
struct QwenFiles {
  static constexpr uint64_t kParts = 12;
  static constexpr uint64_t kPartRows = 5;
  const std::string embed = "model.language_model.layers.1.ple.ple_embedding.ngram_embedding.";
  Json config = {{"text_config",
                  {{"ple_layer_ids", {2}},
                   {"ngram_size", 3},
                   {"heads_per_ngram", 8},
                   {"ple_embed_dim", 2560},
                   {"split_ngram_parts", kParts}}}};
  std::vector<TestTensor> tensors = {
      {embed + "weight_scale", "BF16", {1}, LittleEndian(0x3C80, 2)}};

  QwenFiles() {
    for (uint64_t part = kParts; part-- > 0;) {
      tensors.push_back({absl::StrCat(embed, "shard_", part, ".weight"),
                         "F8_E4M3",
                         {kPartRows, 160},
                         PartBytes(part)});
    }
  }

  static std::string PartBytes(uint64_t part) {
    return Pattern(static_cast<uint32_t>(part), kPartRows * 160);
  }

  void Write(const ScratchDirectory& dir) const {
    dir.Write("model.safetensors", SafetensorsBytes(tensors));
    dir.Write("config.json", config.dump());
  }
};

TEST(QwenImportTest, JoinsThePartsByNumber) {
  ScratchDirectory dir;
  QwenFiles files;
  files.Write(dir);
  const auto sources = OpenRowSources(Options(dir.path()));
  ASSERT_TRUE(sources.ok()) << sources.status();
  ASSERT_EQ(sources->size(), 1u);
  EXPECT_EQ(sources->front().table, "model/layer2");
  const RowSource& rows = *sources->front().rows;
  const TableSpec expected = {.rows = 60,
                              .row_bytes = 160,
                              .value_format = ValueFormat::kFp8E4m3,
                              .values_per_row = 160,
                              .scale_block = 0,
                              .scalar_scale = 0x1p-6F,
                              .group_size = 8,
                              .orders = {2, 3}};
  EXPECT_EQ(rows.spec(), expected);
  std::string all;
  for (uint64_t part = 0; part < QwenFiles::kParts; ++part) all += QwenFiles::PartBytes(part);
  EXPECT_EQ(AllRows(rows), all);
  EXPECT_EQ(RowBytes(rows, 4, 13), all.substr(4 * 160, 13 * 160)) << "across three parts";
  EXPECT_EQ(RowBytes(rows, 59, 1), all.substr(59 * 160));
}

TEST(QwenImportTest, RefusesPartsThatDoNotFit) {
  ScratchDirectory dir;
  QwenFiles narrow;
  narrow.tensors.back().shape = {10, 80};
  narrow.Write(dir);
  EXPECT_THAT(OpenRowSources(Options(dir.path())),
              IsError(kInvalid,
                      "but tensor 'model.language_model.layers.1.ple.ple_embedding."
                      "ngram_embedding.shard_0.weight' of the same table is F8_E4M3"));
  QwenFiles mixed;
  mixed.tensors.back().type = "I8";
  mixed.Write(dir);
  EXPECT_THAT(OpenRowSources(Options(dir.path())), IsError(kInvalid, "of the same table is I8"));
  QwenFiles wide;
  wide.config["text_config"]["ple_embed_dim"] = 5120;
  wide.Write(dir);
  EXPECT_THAT(OpenRowSources(Options(dir.path())),
              IsError(kInvalid,
                      "but config.json says ple_embed_dim 5120 for 16 rows of a token: "
                      "rows of 320 values"));
  QwenFiles missing;
  missing.tensors.erase(missing.tensors.begin() + 3);
  missing.Write(dir);
  EXPECT_THAT(OpenRowSources(Options(dir.path())), IsError(kNotFound, "shard_9.weight'"));
  QwenFiles unscaled;
  unscaled.tensors.erase(unscaled.tensors.begin());
  unscaled.Write(dir);
  EXPECT_THAT(OpenRowSources(Options(dir.path())), IsError(kNotFound, "weight_scale'"));
}

TEST(ImportOptionsTest, RefusesContradictions) {
  ScratchDirectory dir;
  DeepSeekFiles().Write(dir);
  const std::string array =
      dir.Write("a.npy", NpyBytes(1, NpyHeader("|u1", "(2, 3)"), Pattern(1, 6)));
  const std::vector<std::pair<std::function<void(ImportOptions&)>, const char*>> cases = {
      {[](ImportOptions& o) { o.name = ""; }, "table name is empty"},
      {[](ImportOptions& o) { o.name = "a//b"; }, "table name has an empty path element"},
      {[](ImportOptions& o) { o.name = std::string(197, 'x'); }, "table name has 204 characters"},
      {[](ImportOptions& o) { o.scale_tensor = "s"; }, "scale_tensor is given without tensor"},
      {[](ImportOptions& o) {
         o.layer = 1;
         o.tensor = "norm.weight";
       },
       "layer selects a table of a checkpoint directory"},
      {[](ImportOptions& o) {
         o.layer = 1;
         o.path += "/a.safetensors";
       },
       "layer selects a table of a checkpoint directory"},
      {[&](ImportOptions& o) {
         o.path = array;
         o.tensor = "w";
       },
       "a .npy file holds one array without a name"},
      {[](ImportOptions& o) { o.path += "/b.safetensors"; }, "holds 3 tensors; say which one"},
      {[](ImportOptions& o) { o.path += "/config.json"; }, "is neither a checkpoint directory"},
      {[](ImportOptions& o) {
         o.orders = {2, 2};
       },
       "n-gram order 2 is listed twice"},
  };
  for (const auto& [spoil, message] : cases) {
    ImportOptions options = Options(dir.path());
    spoil(options);
    EXPECT_THAT(OpenRowSources(options), IsError(kInvalid, message));
  }
  EXPECT_THAT(OpenRowSources(Options(dir.path() + "/none")), IsError(kNotFound, "/none"));
  EXPECT_THAT(OpenRowSources(Options("")), IsError(kNotFound, "cannot be opened"));
}

TEST(ImportOptionsTest, ATensorOfAShardedCheckpoint) {
  ScratchDirectory dir;
  DeepSeekFiles().Write(dir);
  ImportOptions options = Options(dir.path());
  options.tensor = "layers.14.engram.embed.weight";
  options.scale_tensor = "layers.14.engram.embed.scale";
  std::unique_ptr<RowSource> rows = OpenSingle(options);
  ASSERT_NE(rows, nullptr);
  EXPECT_EQ(rows->spec().group_size, 1u);
  EXPECT_EQ(AllRows(*rows),
            SideBySide(Pattern(3, kRows14 * 256), Pattern(4, kRows14 * 8), kRows14));
  options.scale_tensor = "none";
  EXPECT_THAT(OpenRowSources(options), IsError(kNotFound, "holds no tensor 'none'"));
  options.tensor = "norm.weight";
  EXPECT_THAT(OpenRowSources(options), IsError(kNotFound, "'none'"));
  options.scale_tensor = "";
  EXPECT_THAT(OpenRowSources(options), IsError(kInvalid, "'norm.weight' is BF16 [3], a table"));
}

TEST(ImportOptionsTest, TheOnlyTensorOfAFileNeedsNoName) {
  ScratchDirectory dir;
  const std::string data = Pattern(1, 5 * 12);
  const std::string path =
      dir.Write("one.safetensors", SafetensorsBytes({{"any", "F32", {5, 3}, data}}));
  const std::unique_ptr<RowSource> rows = OpenSingle(Options(path));
  ASSERT_NE(rows, nullptr);
  EXPECT_EQ(AllRows(*rows), data);
}

}  // namespace
}  // namespace engram::storage
