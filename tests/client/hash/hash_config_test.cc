#include "client/hash/hash_config.h"

#include <functional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/client/hash/hash_testing.h"

namespace engram {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Json = nlohmann::json;

Json DeepSeekKeys() {
  return Json::parse(R"({
    "engram_layer_ids": [1, 14], "engram_max_ngram_size": 4, "engram_n_heads": 8,
    "engram_head_dim": 256, "engram_vocab_size": 16000000, "engram_pad_token_id": 2,
    "engram_compressed_vocab_size": 99092, "engram_num_embeddings": [384006168, 384016682]})");
}

Json QwenKeys() {
  return Json::parse(R"({
    "ple_layer_ids": [2], "ngram_size": 3, "heads_per_ngram": 8, "ple_embed_dim": 2560,
    "ngram_vocab_size_base": 20000000, "vocab_size": 248320, "eos_token_id": 248044,
    "make_ngram_vocab_size_divisible_by": 128})");
}

TEST(HashConfigTest, ReadsDeepSeeksKeysUnderTextConfig) {
  absl::StatusOr<HashConfig> config = LoadHashConfig(TestData("v41_config.json"));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->layer_ids, ElementsAre(1, 14));
  EXPECT_EQ(config->max_ngram, 4u);
  EXPECT_EQ(config->orders(), 3u);
  EXPECT_EQ(config->heads, 8u);
  EXPECT_EQ(config->values_per_row, 256u);
  EXPECT_EQ(config->prime_floor, 15999999u);
  EXPECT_EQ(config->vocab_size, 99092u);
  EXPECT_EQ(config->pad_token_id, 2u);
  EXPECT_FALSE(config->segment_end_token_id.has_value());
  EXPECT_EQ(config->seed, 0u);
  EXPECT_THAT(config->multipliers, IsEmpty());
  EXPECT_THAT(config->expected_rows, ElementsAre(384006168u, 384016682u));
  EXPECT_TRUE(ValidateHashConfig(*config).ok());
}

TEST(HashConfigTest, ReadsDeepSeeksKeysAtTheTop) {
  Json keys = DeepSeekKeys();
  keys["engram_seed"] = 7;
  keys.erase("engram_num_embeddings");
  keys["text_config"] = Json::object();
  absl::StatusOr<HashConfig> config = ParseHashConfig(keys.dump());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->seed, 7u);
  EXPECT_THAT(config->expected_rows, IsEmpty());
}

TEST(HashConfigTest, ReadsQwensKeysAndWaitsForTheMultipliers) {
  absl::StatusOr<HashConfig> config = ParseHashConfig(Json{{"text_config", QwenKeys()}}.dump());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->layer_ids, ElementsAre(2));
  EXPECT_EQ(config->max_ngram, 3u);
  EXPECT_EQ(config->heads, 8u);
  EXPECT_EQ(config->values_per_row, 160u);
  EXPECT_EQ(config->prime_floor, 20000000u);
  EXPECT_EQ(config->vocab_size, 248320u);
  EXPECT_EQ(config->pad_token_id, 248044u);
  EXPECT_EQ(config->segment_end_token_id, 248044u);
  EXPECT_EQ(config->row_multiple, 128u);
  EXPECT_FALSE(config->seed.has_value());
  EXPECT_THAT(std::string(ValidateHashConfig(*config).message()),
              HasSubstr("multipliers are missing"));

  config->multipliers = QwenConfig().multipliers;
  EXPECT_TRUE(ValidateHashConfig(*config).ok());
}

TEST(HashConfigTest, ReadsQwensMultipliersFromTheConfig) {
  Json keys = QwenKeys();
  keys["ple_layer_multipliers"] = QwenConfig().multipliers;
  keys["eos_token_id"] = {248044, 248046};
  absl::StatusOr<HashConfig> config = ParseHashConfig(keys.dump());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->multipliers, QwenConfig().multipliers);
  EXPECT_EQ(config->pad_token_id, 248044u);
  EXPECT_TRUE(ValidateHashConfig(*config).ok());
}

struct BadKey {
  const char* key;
  Json value;
  const char* message;
};

void ExpectRefused(const Json& keys, const std::string& message) {
  const absl::Status status = ParseHashConfig(keys.dump()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << keys;
  EXPECT_THAT(std::string(status.message()), HasSubstr(message));
}

TEST(HashConfigTest, RefusesBadDeepSeekKeys) {
  const BadKey bad[] = {
      {"engram_layer_ids", 1, "engram_layer_ids must be a list, not number"},
      {"engram_layer_ids", Json::array(), "number of layers is 0"},
      {"engram_layer_ids", {1, "14"}, "engram_layer_ids must be a whole number"},
      {"engram_layer_ids", {5, 5}, "layer 5 is listed twice"},
      {"engram_max_ngram_size", 1, "max_ngram is 1: it must be 2 to 8"},
      {"engram_max_ngram_size", 9, "max_ngram is 9: it must be 2 to 8"},
      {"engram_n_heads", 0, "heads is 0: it must be 1 to 64"},
      {"engram_n_heads", 65, "heads is 65: it must be 1 to 64"},
      {"engram_head_dim", 256.5, "engram_head_dim must be a whole number"},
      {"engram_vocab_size", -1, "engram_vocab_size must be a whole number"},
      {"engram_vocab_size", 4294967296, "at most 4294967295, not 4294967296"},
      {"engram_vocab_size", 4294967295, "prime_floor is 4294967294"},
      {"engram_compressed_vocab_size", 0, "vocab_size is 0"},
      {"engram_compressed_vocab_size", (1 << 28) + 1, "vocab_size is 268435457"},
      {"engram_pad_token_id", nullptr, "engram_pad_token_id must be a whole number"},
      {"engram_num_embeddings", {384006168}, "expected_rows has 1 entries for 2 layers"},
      {"engram_seed", 9223372036854775808u, "seed is 9223372036854775808"},
  };
  for (const BadKey& entry : bad) {
    Json keys = DeepSeekKeys();
    keys[entry.key] = entry.value;
    ExpectRefused(keys, entry.message);
  }
}

TEST(HashConfigTest, RefusesBadQwenKeys) {
  const BadKey bad[] = {
      {"ple_embed_dim", 2561, "ple_embed_dim 2561 does not divide"},
      {"ngram_size", 0, "does not divide into ngram_size 0"},
      {"heads_per_ngram", 0, "with heads_per_ngram 0"},
      {"eos_token_id", Json::array(), "eos_token_id must be a whole number"},
      {"make_ngram_vocab_size_divisible_by", 0, "row_multiple is 0"},
      {"ple_layer_multipliers", {1, 2, 3}, "ple_layer_multipliers must be a list, not number"},
      {"ple_layer_multipliers", Json{{1, 2}}, "layer 2 has 2 multipliers"},
      {"ple_layer_multipliers", Json{{1, 2, 3}, {1, 2, 3}}, "multipliers has 2 entries for 1"},
      {"ple_layer_multipliers", Json{{1, 0, 3}}, "multiplier 0 is not in 1 to"},
      {"ple_layer_multipliers", Json{{1, 37143239770435, 3}}, "multiplier 37143239770435"},
  };
  for (const BadKey& entry : bad) {
    Json keys = QwenKeys();
    keys[entry.key] = entry.value;
    ExpectRefused(keys, entry.message);
  }
}

TEST(HashConfigTest, NamesTheKeyThatIsMissing) {
  for (const Json& whole : {DeepSeekKeys(), QwenKeys()}) {
    for (const char* key :
         {"engram_max_ngram_size", "engram_n_heads", "engram_head_dim", "engram_vocab_size",
          "engram_compressed_vocab_size", "engram_pad_token_id", "ngram_size", "heads_per_ngram",
          "ple_embed_dim", "ngram_vocab_size_base", "vocab_size", "eos_token_id"}) {
      Json keys = whole;
      if (keys.erase(key) == 1) {
        ExpectRefused(keys, std::string("the key ") + key + " is missing");
      }
    }
  }
}

TEST(HashConfigTest, RefusesWhatIsNoConfig) {
  for (const char* text : {"", "[", "{\"engram_layer_ids\": [1", "3", "[]", "null"}) {
    const absl::Status status = ParseHashConfig(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr("not a JSON object")) << text;
  }
  ExpectRefused(Json::object(), "neither engram_layer_ids nor ple_layer_ids");
  ExpectRefused(Json{{"text_config", 1}}, "neither engram_layer_ids nor ple_layer_ids");
}

TEST(HashConfigTest, RefusesTwoSourcesOfMultipliers) {
  HashConfig config = QwenConfig();
  config.seed = 0;
  EXPECT_THAT(std::string(ValidateHashConfig(config).message()),
              HasSubstr("both a seed and multipliers"));
}

TEST(HashConfigTest, FilesThatCannotBeReadAreNamed) {
  const absl::Status missing = LoadHashConfig("/nonexistent/config.json").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()), HasSubstr("/nonexistent/config.json"));

  const std::string path = WriteTemp("config.json", "");
  const absl::Status empty = LoadHashConfig(path).status();
  EXPECT_EQ(empty.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(empty.message()), HasSubstr(path + ": the config is not"));

  EXPECT_FALSE(LoadHashConfig(testing::TempDir()).ok());
}

}  // namespace
}  // namespace engram
