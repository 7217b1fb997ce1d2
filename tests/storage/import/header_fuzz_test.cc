// Headers damaged at random must be refused or read as what they say, and never lead outside of
// their file.
#include <algorithm>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "storage/import/checkpoint.h"
#include "storage/import/engram_config.h"
#include "storage/import/npy_file.h"
#include "storage/import/safetensors_file.h"
#include "tests/storage/import/model_files_testing.h"

namespace engram::storage {
namespace {

constexpr int kMutations = 10'000;

// Pieces that parsers stumble over.
const std::vector<std::string>& Tokens() {
  static const std::vector<std::string> tokens = {"{",
                                                  "}",
                                                  "[",
                                                  "]",
                                                  ",",
                                                  ":",
                                                  "\"",
                                                  "'",
                                                  "(",
                                                  ")",
                                                  "-1",
                                                  "0",
                                                  "1e9",
                                                  "18446744073709551615",
                                                  "18446744073709551616",
                                                  "4294967296",
                                                  "null",
                                                  "true",
                                                  "\\u0000",
                                                  "\\",
                                                  "\xff",
                                                  "\"dtype\"",
                                                  "\"shape\"",
                                                  "\"data_offsets\"",
                                                  "\"F32\"",
                                                  "\"U8\"",
                                                  "\"F4\"",
                                                  "__metadata__",
                                                  "[[[[",
                                                  "{{",
                                                  "'|V9'",
                                                  "False",
                                                  " ",
                                                  std::string(1, '\0')};
  return tokens;
}

std::string Mutate(std::string text, std::mt19937& random) {
  const auto below = [&](size_t bound) { return random() % bound; };
  for (size_t i = 0, edits = 1 + below(4); i < edits; ++i) {
    const size_t at = below(text.size() + 1);
    switch (below(6)) {
      case 0:
        text.insert(at, Tokens()[below(Tokens().size())]);
        break;
      case 1:
        text.erase(at, below(8));
        break;
      case 2:
        if (at < text.size()) text[at] = static_cast<char>(random());
        break;
      case 3:
        // Numbers are where the danger is: change a digit.
        for (size_t j = at; j < text.size(); ++j) {
          if (text[j] < '0' || text[j] > '9') continue;
          text[j] = static_cast<char>('0' + below(10));
          break;
        }
        break;
      case 4:
        text.insert(at, text.substr(below(text.size() + 1), below(40)));
        break;
      case 5:
        text.resize(at);
        break;
    }
  }
  return text;
}

// Runs `check` on kMutations damaged copies of `good`; returns how many it accepted.
int Fuzz(const std::string& good, uint32_t seed, const std::function<bool(std::string)>& check) {
  std::mt19937 random(seed);
  int accepted = 0;
  for (int i = 0; i < kMutations; ++i) accepted += check(Mutate(good, random)) ? 1 : 0;
  return accepted;
}

TEST(HeaderFuzzTest, SafetensorsTensorsTileTheData) {
  const std::string good = R"({"__metadata__":{"format":"pt"},)"
                           R"("a":{"dtype":"F8_E4M3","shape":[3,4],"data_offsets":[0,12]},)"
                           R"("b":{"dtype":"F32","shape":[2],"data_offsets":[12,20]},)"
                           R"("c":{"dtype":"F4","shape":[2,4],"data_offsets":[20,24]}})";
  const int accepted = Fuzz(good, 1, [](const std::string& header) {
    const uint64_t file_bytes = 8 + header.size() + 24;
    const auto tensors = ParseSafetensorsHeader(header, file_bytes, "f");
    if (!tensors.ok()) {
      EXPECT_EQ(tensors.status().code(), kInvalid);
      return false;
    }
    uint64_t covered = 0;
    for (const auto& [name, tensor] : *tensors) {
      EXPECT_GE(tensor.offset, 8 + header.size());
      EXPECT_LE(tensor.offset, file_bytes);
      EXPECT_LE(tensor.bytes, file_bytes - tensor.offset);
      EXPECT_EQ(ByteSize(tensor.type, tensor.shape), tensor.bytes);
      covered += tensor.bytes;
    }
    EXPECT_EQ(covered, 24u) << header;
    return true;
  });
  // The mutations are neither all fatal nor all harmless.
  EXPECT_GT(accepted, kMutations / 100);
  EXPECT_LT(accepted, kMutations / 2);
}

TEST(HeaderFuzzTest, SafetensorsFilesOfAnyLength) {
  ScratchDirectory dir;
  const std::string good =
      SafetensorsBytes({{"a", "U8", {5, 2}, Pattern(1, 10)}, {"b", "F16", {3}, Pattern(2, 6)}});
  std::mt19937 random(2);
  for (int i = 0; i < 300; ++i) {
    const std::string bytes = Mutate(good, random);
    const auto tensors = OpenSafetensors(dir.Write("m.safetensors", bytes));
    if (!tensors.ok()) {
      EXPECT_EQ(tensors.status().code(), kInvalid);
      continue;
    }
    for (const auto& [name, tensor] : *tensors) {
      EXPECT_LE(tensor.offset + tensor.bytes, bytes.size());
    }
  }
}

TEST(HeaderFuzzTest, Npy) {
  const int accepted = Fuzz(NpyHeader("<f4", "(12, 34)"), 3, [](const std::string& header) {
    const auto tensor = ParseNpyHeader(header, "f");
    if (!tensor.ok()) {
      EXPECT_EQ(tensor.status().code(), kInvalid);
      return false;
    }
    EXPECT_EQ(ByteSize(tensor->type, tensor->shape), tensor->bytes);
    return true;
  });
  EXPECT_GT(accepted, kMutations / 100);
  EXPECT_LT(accepted, kMutations / 2);
}

TEST(HeaderFuzzTest, IndexNeverNamesAFileElsewhere) {
  const std::string good = IndexText({{"a", "m-1.safetensors"}, {"b", "m-2.safetensors"}});
  const int accepted = Fuzz(good, 4, [](const std::string& text) {
    const auto index = ParseCheckpointIndex(text, "f");
    if (!index.ok()) {
      EXPECT_EQ(index.status().code(), kInvalid);
      return false;
    }
    for (const auto& [tensor, shard] : *index) {
      EXPECT_EQ(shard.find('/'), std::string::npos);
      EXPECT_NE(shard.substr(0, 2), "..");
    }
    return true;
  });
  EXPECT_GT(accepted, kMutations / 100);
}

TEST(HeaderFuzzTest, Config) {
  const std::string good =
      R"({"text_config":{"engram_layer_ids":[1,14],"engram_num_embeddings":[100,200],)"
      R"("engram_max_ngram_size":4,"engram_n_heads":8,"engram_head_dim":256}})";
  const int accepted = Fuzz(good, 5, [](const std::string& text) {
    const auto config = ParseEngramConfig(text, "f");
    if (!config.ok()) return false;
    EXPECT_FALSE(config->layers.empty());
    EXPECT_GE(config->group_size, 1u);
    EXPECT_GE(config->values_per_row, 1u);
    return true;
  });
  EXPECT_GT(accepted, kMutations / 100);
}

}  // namespace
}  // namespace engram::storage
