#include "tests/client/hash/hash_testing.h"

#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace engram {

std::string TestData(absl::string_view name) { return absl::StrCat(ENGRAM_TEST_DATA, "/", name); }

std::string WriteTemp(absl::string_view name, absl::string_view content) {
  const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
  std::string path =
      absl::StrCat(testing::TempDir(), test->test_suite_name(), ".", test->name(), ".", name);
  std::ofstream file(path, std::ios::binary);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  EXPECT_TRUE(file.good()) << path;
  return path;
}

std::string U32Bytes(absl::Span<const uint32_t> values) {
  std::string bytes(values.size() * sizeof(uint32_t), '\0');
  if (!values.empty()) {
    std::memcpy(bytes.data(), values.data(), bytes.size());
  }
  return bytes;
}

std::string Compress(absl::string_view bytes) {
  std::string frame(ZSTD_compressBound(bytes.size()), '\0');
  const size_t size = ZSTD_compress(frame.data(), frame.size(), bytes.data(), bytes.size(), 3);
  EXPECT_EQ(ZSTD_isError(size), 0u);
  frame.resize(size);
  return frame;
}

const nlohmann::json& V41Vectors() {
  static const auto* const vectors = [] {
    std::ifstream file(TestData("v41_vectors.json"));
    return new nlohmann::json(nlohmann::json::parse(file));
  }();
  return *vectors;
}

HashConfig V41Config() {
  absl::StatusOr<HashConfig> config = LoadHashConfig(TestData("v41_config.json"));
  EXPECT_TRUE(config.ok()) << config.status();
  return *std::move(config);
}

HashConfig QwenConfig() {
  HashConfig config;
  config.layer_ids = {2};
  config.max_ngram = 3;
  config.heads = 8;
  config.values_per_row = 160;
  config.prime_floor = 20000000;
  config.vocab_size = 248320;
  config.pad_token_id = 248044;
  config.segment_end_token_id = 248044;
  config.multipliers = {{23703573157769, 20109073645365, 8052911324071}};
  config.row_multiple = 128;
  return config;
}

NgramHasher MakeHasher(const HashConfig& config, std::vector<uint32_t> token_map) {
  absl::StatusOr<NgramHasher> hasher = NgramHasher::Create(config, std::move(token_map));
  EXPECT_TRUE(hasher.ok()) << hasher.status();
  return *std::move(hasher);
}

std::vector<uint32_t> ReferenceRows(const HashConfig& config, const std::vector<uint32_t>& map,
                                    const LayerHash& layer, const Sequence& sequence) {
  std::vector<uint32_t> rows;
  const std::vector<uint32_t>& tokens = sequence.tokens;
  for (size_t position = 0; position < tokens.size(); ++position) {
    size_t segment_start = 0;
    for (size_t start : sequence.segment_starts) {
      segment_start = start <= position ? std::max(segment_start, start) : segment_start;
    }
    uint64_t roll = 0;
    bool blocked = false;
    size_t head = 0;
    for (size_t back = 0; back < config.max_ngram; ++back) {
      blocked = blocked || position < segment_start + back;
      const uint32_t token = blocked ? kDeadToken : tokens[position - back];
      blocked =
          blocked || token == kDeadToken || (back > 0 && config.segment_end_token_id == token);
      roll ^= uint64_t{map[blocked ? config.pad_token_id : token]} * layer.multipliers[back];
      for (size_t h = 0; back > 0 && h < config.heads; ++h, ++head) {
        rows.push_back(static_cast<uint32_t>(roll % layer.primes[head] + layer.offsets[head]));
      }
    }
  }
  return rows;
}

}  // namespace engram
