#include "storage/import/engram_config.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/storage/import/model_files_testing.h"

namespace engram::storage {
namespace {

using Json = nlohmann::json;

Json DeepSeek() {
  return Json::parse(R"({"engram_layer_ids": [1, 14],
      "engram_num_embeddings": [384006168, 384016682], "engram_max_ngram_size": 4,
      "engram_vocab_size": 16000000, "engram_n_heads": 8, "engram_head_dim": 256,
      "engram_pad_token_id": 2, "engram_compressed_vocab_size": 99092, "ple_layer_ids": null})");
}

Json Qwen() {
  return Json::parse(R"({"ple_layer_ids": [2], "ngram_size": 3, "heads_per_ngram": 8,
      "ple_embed_dim": 2560, "split_ngram_parts": 128, "ngram_vocab_size_base": 20000000})");
}

TEST(EngramConfigTest, ReadsDeepSeek) {
  for (const Json& document : {DeepSeek(), Json{{"text_config", DeepSeek()}, {"other", 1}}}) {
    const auto config = ParseEngramConfig(document.dump(), "f");
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->group_size, 8u);
    EXPECT_EQ(config->orders, (std::vector<uint32_t>{2, 3, 4}));
    EXPECT_EQ(config->values_per_row, 256u);
    ASSERT_EQ(config->layers.size(), 2u);
    EXPECT_EQ(config->layers[0].id, 1u);
    EXPECT_EQ(config->layers[1].id, 14u);
    EXPECT_EQ(config->layers[1].rows, 384'016'682u);
    EXPECT_EQ(config->layers[1].weights, std::vector<std::string>{"layers.14.engram.embed.weight"});
    EXPECT_EQ(config->layers[1].scale, "layers.14.engram.embed.scale");
  }
}

TEST(EngramConfigTest, ReadsQwenWhoseLayersCountFromOne) {
  const auto config = ParseEngramConfig(Json{{"text_config", Qwen()}}.dump(), "f");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->group_size, 8u);
  EXPECT_EQ(config->orders, (std::vector<uint32_t>{2, 3}));
  EXPECT_EQ(config->values_per_row, 160u);
  ASSERT_EQ(config->layers.size(), 1u);
  const EngramLayer& layer = config->layers[0];
  EXPECT_EQ(layer.id, 2u);
  EXPECT_EQ(layer.rows, 0u);
  ASSERT_EQ(layer.weights.size(), 128u);
  const std::string prefix = "layers.1.ple.ple_embedding.ngram_embedding.";
  EXPECT_EQ(layer.weights[0], prefix + "shard_0.weight");
  EXPECT_EQ(layer.weights[10], prefix + "shard_10.weight");
  EXPECT_EQ(layer.weights[127], prefix + "shard_127.weight");
  EXPECT_EQ(layer.scale, prefix + "weight_scale");
}

TEST(EngramConfigTest, AnUnsplitQwenTableIsOneTensor) {
  Json qwen = Qwen();
  qwen.erase("split_ngram_parts");
  const auto config = ParseEngramConfig(qwen.dump(), "f");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->layers[0].weights,
            std::vector<std::string>{"layers.1.ple.ple_embedding.ngram_embedding.weight"});
}

TEST(EngramConfigTest, SaysWhenThereIsNoEngramLayer) {
  for (const char* text : {"{}", R"({"text_config":{}})", R"({"engram_layer_ids":[]})",
                           R"({"engram_layer_ids":null,"text_config":5})"}) {
    EXPECT_THAT(ParseEngramConfig(text, "f"), IsError(kNotFound, "f: names no Engram layers"));
  }
}

struct BadConfig {
  const char* key;
  Json value;
  const char* message;
};

void ExpectRefused(const Json& good, const std::vector<BadConfig>& cases) {
  for (const BadConfig& bad : cases) {
    Json document = good;
    document[bad.key] = bad.value;
    EXPECT_THAT(ParseEngramConfig(document.dump(), "f"), IsError(kInvalid, bad.message))
        << bad.key << " " << bad.value;
  }
}

TEST(EngramConfigTest, NamesTheKeyOfDeepSeekThatIsWrong) {
  ExpectRefused(DeepSeek(),
                {
                    {"engram_layer_ids", 1, "engram_layer_ids is not a list"},
                    {"engram_layer_ids", {1, -14}, "engram_layer_ids is not an integer from 0"},
                    {"engram_layer_ids", {1, "14"}, "engram_layer_ids is not an integer"},
                    {"engram_layer_ids", {1, 1}, "engram_layer_ids lists a layer twice"},
                    {"engram_layer_ids",
                     {1},
                     "engram_num_embeddings has 2 elements, "
                     "engram_layer_ids 1"},
                    {"engram_num_embeddings", nullptr, "engram_num_embeddings is missing"},
                    {"engram_num_embeddings", {0, 5}, "is not an integer from 1 to 4294967295"},
                    {"engram_num_embeddings", {4294967296, 5}, "engram_num_embeddings is not an"},
                    {"engram_num_embeddings", {5.5, 5}, "engram_num_embeddings is not an integer"},
                    {"engram_max_ngram_size", nullptr, "engram_max_ngram_size is missing"},
                    {"engram_max_ngram_size", 1, "engram_max_ngram_size is not an integer from 2"},
                    {"engram_max_ngram_size", 1u << 30, "engram_max_ngram_size is not an integer"},
                    {"engram_n_heads", 65, "engram_n_heads is not an integer from 1 to 64"},
                    {"engram_head_dim", 0, "engram_head_dim is not an integer from 1"},
                    {"engram_head_dim", "256", "engram_head_dim is not an integer"},
                });
}

TEST(EngramConfigTest, NamesTheKeyOfQwenThatIsWrong) {
  ExpectRefused(Qwen(), {
                            {"ple_layer_ids", {0}, "ple_layer_ids is not an integer from 1"},
                            {"ngram_size", nullptr, "ngram_size is missing"},
                            {"heads_per_ngram", 0, "heads_per_ngram is not an integer from 1"},
                            {"ple_embed_dim", 2561,
                             "ple_embed_dim 2561 for 16 rows of a token "
                             "gives no row length"},
                            {"ple_embed_dim", 1ull << 32, "gives no row length"},
                            {"split_ngram_parts", 0, "split_ngram_parts is not an integer from 1"},
                            {"split_ngram_parts", 1u << 20, "split_ngram_parts is not an integer"},
                        });
}

TEST(EngramConfigTest, RefusesWhatIsNoObject) {
  for (const char* text : {"", "[]", "5", "{", "{}}", "{\"a\":\"\xff\"}"}) {
    EXPECT_THAT(ParseEngramConfig(text, "f"), IsError(kInvalid, "f: is not a JSON object")) << text;
  }
}

}  // namespace
}  // namespace engram::storage
