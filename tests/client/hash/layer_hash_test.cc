#include "client/hash/layer_hash.h"

#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/hash/hash_testing.h"

namespace engram {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<LayerHash> Derive(const HashConfig& config) {
  absl::StatusOr<std::vector<LayerHash>> layers = DeriveLayerHashes(config);
  EXPECT_TRUE(layers.ok()) << layers.status();
  return *std::move(layers);
}

TEST(LayerHashTest, DeepSeeksConstantsMatchTheVectors) {
  const std::vector<LayerHash> layers = Derive(V41Config());
  ASSERT_EQ(layers.size(), 2u);
  for (const LayerHash& layer : layers) {
    const auto& expected = V41Vectors()["layers"][std::to_string(layer.layer_id)];
    EXPECT_EQ(layer.multipliers, expected["mult"].get<std::vector<uint64_t>>());
    EXPECT_EQ(layer.rows, expected["rows"].get<uint64_t>());
    std::vector<uint32_t> primes;
    for (const auto& order : expected["primes"]) {
      for (uint32_t prime : order) {
        primes.push_back(prime);
      }
    }
    EXPECT_EQ(layer.primes, primes);
    uint32_t offset = 0;
    for (size_t i = 0; i < primes.size(); ++i) {
      EXPECT_EQ(layer.offsets[i], offset);
      offset += primes[i];
    }
  }
}

TEST(LayerHashTest, QwensTableHasItsPublishedRows) {
  const std::vector<LayerHash> layers = Derive(QwenConfig());
  ASSERT_EQ(layers.size(), 1u);
  EXPECT_EQ(layers[0].multipliers, QwenConfig().multipliers[0]);
  ASSERT_EQ(layers[0].primes.size(), 16u);
  EXPECT_EQ(layers[0].primes.front(), 20000003u);
  EXPECT_EQ(layers[0].primes.back(), 20000171u);
  EXPECT_EQ(layers[0].offsets.back() + layers[0].primes.back(), 320001446u);
  EXPECT_EQ(layers[0].rows, 320001536u);
}

TEST(LayerHashTest, SmallPrimesInOrder) {
  HashConfig config = V41Config();
  config.expected_rows.clear();
  config.prime_floor = 0;
  config.heads = 2;
  config.max_ngram = 3;
  const std::vector<LayerHash> layers = Derive(config);
  EXPECT_THAT(layers[0].primes, ElementsAre(2, 3, 5, 7));
  EXPECT_THAT(layers[0].offsets, ElementsAre(0, 2, 5, 10));
  EXPECT_EQ(layers[0].rows, 17u);
  EXPECT_THAT(layers[1].primes, ElementsAre(11, 13, 17, 19));
}

TEST(LayerHashTest, PrimesAreUniqueOverLayersInTheOrderListed) {
  HashConfig config = V41Config();
  config.expected_rows.clear();
  config.layer_ids = {14, 1, 3};
  const std::vector<LayerHash> layers = Derive(config);
  std::set<uint32_t> seen;
  for (const LayerHash& layer : layers) {
    for (uint32_t prime : layer.primes) {
      EXPECT_TRUE(seen.insert(prime).second) << prime;
    }
  }
  EXPECT_EQ(layers[0].primes[0], 16000057u);
  EXPECT_EQ(layers[0].multipliers, Derive(V41Config())[1].multipliers);
}

TEST(LayerHashTest, TheSeedChangesTheMultipliersOnly) {
  HashConfig config = V41Config();
  config.seed = 1;
  const LayerHash seeded = Derive(config)[0];
  const LayerHash plain = Derive(V41Config())[0];
  EXPECT_NE(seeded.multipliers, plain.multipliers);
  EXPECT_EQ(seeded.primes, plain.primes);
}

TEST(LayerHashTest, RefusesRowsThatTheConfigDoesNotExpect) {
  HashConfig config = V41Config();
  config.expected_rows[1] = 384016683;
  const absl::Status status = DeriveLayerHashes(config).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("layer 14"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("384016682 rows"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("384016683"));
}

TEST(LayerHashTest, RefusesMoreRowsThanAnIdCanName) {
  HashConfig config = V41Config();
  config.expected_rows.clear();
  config.prime_floor = 178956970;  // 24 heads of 2^32 / 24 rows
  EXPECT_THAT(std::string(DeriveLayerHashes(config).status().message()),
              HasSubstr("a row id can name 4294967295"));
  config.prime_floor = 178950000;
  EXPECT_TRUE(DeriveLayerHashes(config).ok());
}

TEST(LayerHashTest, RefusesPaddingBeyondWhatAnIdCanName) {
  HashConfig config = V41Config();
  config.layer_ids = {0};
  config.expected_rows.clear();
  config.max_ngram = 2;
  config.heads = 2;
  config.prime_floor = 2147483576;  // the next two primes are 2147483579 and 2147483587
  EXPECT_EQ(Derive(config)[0].rows, 4294967166u);
  config.row_multiple = 1 << 20;
  EXPECT_THAT(std::string(DeriveLayerHashes(config).status().message()),
              HasSubstr("needs 4294967296 or more rows"));
}

TEST(LayerHashTest, RefusesAnInvalidConfig) {
  HashConfig config = V41Config();
  config.seed.reset();
  EXPECT_EQ(DeriveLayerHashes(config).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace engram
