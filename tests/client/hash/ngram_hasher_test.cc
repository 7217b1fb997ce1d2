#include "client/hash/ngram_hasher.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/hash/token_map.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/hash/hash_testing.h"

namespace engram {
namespace {

using ::testing::HasSubstr;
using Rows = std::vector<uint32_t>;

NgramHasher V41Hasher() { return MakeHasher(V41Config(), IdentityTokenMap(99092)); }

Rows HashBatch(const NgramHasher& hasher, size_t layer, const NgramBatch& batch) {
  Rows rows(batch.positions() * hasher.ids_per_position());
  EXPECT_TRUE(hasher.Hash(layer, batch, absl::MakeSpan(rows)).ok());
  return rows;
}

// One segment, hashed as one chunk.
Rows HashWhole(const NgramHasher& hasher, size_t layer, absl::Span<const uint32_t> tokens) {
  NgramHistory history = hasher.SegmentStart();
  NgramBatch batch;
  EXPECT_TRUE(hasher.Append(tokens, history, batch).ok());
  return HashBatch(hasher, layer, batch);
}

std::vector<uint32_t> LcgTokens() {
  std::vector<uint32_t> tokens(1000);
  uint64_t x = 1;
  for (uint32_t& token : tokens) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    token = static_cast<uint32_t>((x >> 33) % 99092);
  }
  return tokens;
}

std::string Sha256(const Rows& rows) {
  const std::string path = WriteTemp("rows", U32Bytes(rows));
  std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(("sha256sum " + path).c_str(), "r"), pclose);
  std::array<char, 65> digest{};
  EXPECT_NE(std::fgets(digest.data(), digest.size(), pipe.get()), nullptr);
  return digest.data();
}

TEST(NgramHasherTest, MatchesTheVectorsOfBothLayers) {
  const NgramHasher hasher = V41Hasher();
  ASSERT_EQ(hasher.ids_per_position(), 24u);
  const auto vec5_ids = V41Vectors()["vec5_ids"].get<std::vector<uint32_t>>();
  for (size_t layer = 0; layer < hasher.layers().size(); ++layer) {
    const auto& expected = V41Vectors()["layers"][std::to_string(hasher.layers()[layer].layer_id)];
    Rows vec5;
    for (const auto& position : expected["vec5"]) {
      for (uint32_t row : position) {
        vec5.push_back(row);
      }
    }
    EXPECT_EQ(HashWhole(hasher, layer, vec5_ids), vec5);

    const Rows lcg = HashWhole(hasher, layer, LcgTokens());
    EXPECT_EQ(Rows(lcg.begin(), lcg.begin() + 24), expected["lcg_t0"].get<Rows>());
    if (expected.contains("sha256_i32le_lcg1000")) {
      EXPECT_EQ(Sha256(lcg), expected["sha256_i32le_lcg1000"]);
    }
  }
  EXPECT_TRUE(V41Vectors()["layers"]["1"].contains("sha256_i32le_lcg1000"));
}

// A model, and random sequences for it that are full of what cuts n-grams.
struct Case {
  const char* name;
  HashConfig config;
  std::vector<uint32_t> map;
};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  absl::StatusOr<std::vector<uint32_t>> map = LoadTokenMap(TestData("token_map.u32.zst"));
  EXPECT_TRUE(map.ok()) << map.status();
  cases.push_back({"v41", V41Config(), *map});
  cases.push_back({"qwen", QwenConfig(), IdentityTokenMap(248320)});
  HashConfig tiny = V41Config();  // the smallest divisors, under the largest dividends
  tiny.expected_rows.clear();
  tiny.prime_floor = 0;
  tiny.max_ngram = 8;
  tiny.heads = 3;
  tiny.vocab_size = 3;
  cases.push_back({"tiny", tiny, IdentityTokenMap(3)});
  HashConfig wide = V41Config();  // the largest divisors
  wide.expected_rows.clear();
  wide.prime_floor = 2000000000;
  wide.max_ngram = 2;
  wide.heads = 2;
  cases.push_back({"wide", wide, IdentityTokenMap(99092)});
  return cases;
}

Sequence RandomSequence(const Case& model, std::mt19937& random) {
  Sequence sequence;
  sequence.tokens.resize(400);
  for (size_t i = 0; i < sequence.tokens.size(); ++i) {
    uint32_t& token = sequence.tokens[i];
    token = static_cast<uint32_t>(random() % model.map.size());
    const size_t kind = random() % 16;
    if (kind == 0) {
      token = kDeadToken;
    } else if (kind == 1) {
      sequence.segment_starts.push_back(i);
    } else if (kind == 2) {
      token = model.config.segment_end_token_id.value_or(token);
    } else if (kind == 3) {
      token = model.config.pad_token_id;
    }
  }
  return sequence;
}

// Hashes a sequence in chunks of random sizes up to max_chunk, starting anew at segment starts.
// Batches are hashed when `batched` chunks have gathered in them.
Rows HashInChunks(const NgramHasher& hasher, size_t layer, const Sequence& sequence,
                  size_t max_chunk, size_t batched, std::mt19937& random) {
  Rows rows;
  NgramHistory history = hasher.SegmentStart();
  NgramBatch batch;
  auto next_start = sequence.segment_starts.begin();
  size_t chunks = 0;
  for (size_t at = 0; at < sequence.tokens.size();) {
    if (next_start != sequence.segment_starts.end() && *next_start == at) {
      history = hasher.SegmentStart();
      ++next_start;
    }
    const size_t limit =
        next_start != sequence.segment_starts.end() ? *next_start : sequence.tokens.size();
    const size_t chunk = std::min(1 + random() % max_chunk, limit - at);
    EXPECT_TRUE(
        hasher.Append(absl::MakeConstSpan(sequence.tokens).subspan(at, chunk), history, batch)
            .ok());
    at += chunk;
    if (++chunks % batched == 0 || at == sequence.tokens.size()) {
      const Rows hashed = HashBatch(hasher, layer, batch);
      rows.insert(rows.end(), hashed.begin(), hashed.end());
      batch.Clear();
    }
  }
  return rows;
}

TEST(NgramHasherTest, ChunksAndStepsMatchTheDefinition) {
  std::mt19937 random(20240601);
  for (const Case& model : Cases()) {
    const NgramHasher hasher = MakeHasher(model.config, model.map);
    for (int repeat = 0; repeat < 20; ++repeat) {
      const Sequence sequence = RandomSequence(model, random);
      const size_t layer = random() % hasher.layers().size();
      const Rows expected =
          ReferenceRows(model.config, model.map, hasher.layers()[layer], sequence);
      SCOPED_TRACE(absl::StrCat(model.name, ", repeat ", repeat));
      EXPECT_EQ(HashInChunks(hasher, layer, sequence, 1, 1, random), expected);
      EXPECT_EQ(HashInChunks(hasher, layer, sequence, 7, 1, random), expected);
      EXPECT_EQ(HashInChunks(hasher, layer, sequence, 400, 1, random), expected);
      EXPECT_EQ(HashInChunks(hasher, layer, sequence, 9, 5, random), expected);
    }
  }
}

TEST(NgramHasherTest, RowsStayInTheirHeadsRange) {
  const NgramHasher hasher = V41Hasher();
  for (size_t layer = 0; layer < 2; ++layer) {
    const LayerHash& constants = hasher.layers()[layer];
    const Rows rows = HashWhole(hasher, layer, LcgTokens());
    for (size_t i = 0; i < rows.size(); ++i) {
      ASSERT_GE(rows[i], constants.offsets[i % 24]);
      ASSERT_LT(rows[i] - constants.offsets[i % 24], constants.primes[i % 24]);
    }
  }
}

TEST(NgramHasherTest, DeadPositionsHaveThePaddingsRows) {
  const NgramHasher hasher = V41Hasher();
  const Rows dead = HashWhole(hasher, 0, {kDeadToken});
  EXPECT_EQ(dead, HashWhole(hasher, 0, {2}));  // a lone pad: padding throughout
  const Rows after = HashWhole(hasher, 0, {7, 8, 9, kDeadToken, 5});
  EXPECT_EQ(Rows(after.end() - 48, after.end() - 24), dead);
  EXPECT_EQ(Rows(after.end() - 24, after.end()), HashWhole(hasher, 0, {5}));
}

TEST(NgramHasherTest, QwensEndTokenBelongsToTheSegmentItEnds) {
  const uint32_t eos = 248044;
  const NgramHasher hasher = MakeHasher(QwenConfig(), IdentityTokenMap(248320));
  ASSERT_EQ(hasher.ids_per_position(), 16u);
  const Rows rows = HashWhole(hasher, 0, {10, 11, eos, 12, 13});
  const Rows before = HashWhole(hasher, 0, {10, 11, eos});
  const Rows after = HashWhole(hasher, 0, {12, 13});
  EXPECT_EQ(Rows(rows.begin(), rows.begin() + 48), before);
  EXPECT_EQ(Rows(rows.begin() + 48, rows.end()), after);
  EXPECT_NE(Rows(before.end() - 16, before.end()), HashWhole(hasher, 0, {eos}));
}

TEST(NgramHasherTest, ADecodeStepOfManySequencesIsOneBatch) {
  const NgramHasher hasher = V41Hasher();
  const std::vector<uint32_t> tokens = LcgTokens();
  constexpr size_t kSequences = 10;
  constexpr size_t kLength = 100;
  std::vector<NgramHistory> histories(kSequences, hasher.SegmentStart());
  std::vector<Rows> rows(kSequences);
  NgramBatch batch;
  for (size_t step = 0; step < kLength; ++step) {
    batch.Clear();
    for (size_t s = 0; s < kSequences; ++s) {
      ASSERT_TRUE(hasher.Append({tokens[s * kLength + step]}, histories[s], batch).ok());
    }
    const Rows hashed = HashBatch(hasher, 1, batch);
    for (size_t s = 0; s < kSequences; ++s) {
      const auto own = absl::MakeConstSpan(hashed).subspan(24 * s, 24);
      rows[s].insert(rows[s].end(), own.begin(), own.end());
    }
  }
  for (size_t s = 0; s < kSequences; ++s) {
    EXPECT_EQ(rows[s], HashWhole(hasher, 1, absl::MakeSpan(tokens).subspan(s * 100, 100)));
  }
}

TEST(NgramHasherTest, ACopiedHistoryBranchesTheSequence) {
  const NgramHasher hasher = V41Hasher();
  NgramHistory history = hasher.SegmentStart();
  NgramBatch batch;
  ASSERT_TRUE(hasher.Append({1, 2, 3, 4}, history, batch).ok());
  NgramHistory draft = history;
  ASSERT_TRUE(hasher.Append({50, 51, 52}, draft, batch).ok());
  batch.Clear();
  ASSERT_TRUE(hasher.Append({5}, history, batch).ok());
  const Rows whole = HashWhole(hasher, 0, {1, 2, 3, 4, 5});
  EXPECT_EQ(HashBatch(hasher, 0, batch), Rows(whole.end() - 24, whole.end()));
}

TEST(NgramHasherTest, ATokenOutOfTheMapIsNamedAndNothingChanges) {
  const NgramHasher hasher = V41Hasher();
  NgramHistory history = hasher.SegmentStart();
  NgramBatch batch;
  ASSERT_TRUE(hasher.Append({1, 2}, history, batch).ok());
  const absl::Status status = hasher.Append({3, kDeadToken, 99092, 4}, history, batch);
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(status.message()), HasSubstr("token 99092 at index 2"));
  EXPECT_EQ(batch.positions(), 2u);
  ASSERT_TRUE(hasher.Append({5}, history, batch).ok());
  EXPECT_EQ(HashBatch(hasher, 0, batch), HashWhole(hasher, 0, {1, 2, 5}));
}

TEST(NgramHasherTest, NoTokensAreNoPositions) {
  const NgramHasher hasher = V41Hasher();
  NgramHistory history = hasher.SegmentStart();
  NgramBatch batch;
  EXPECT_TRUE(hasher.Append({}, history, batch).ok());
  EXPECT_EQ(batch.positions(), 0u);
  EXPECT_TRUE(hasher.Hash(0, batch, {}).ok());
}

TEST(NgramHasherTest, RefusesWrongLayersAndSizes) {
  const NgramHasher hasher = V41Hasher();
  NgramHistory history = hasher.SegmentStart();
  NgramBatch batch;
  ASSERT_TRUE(hasher.Append({1, 2}, history, batch).ok());
  Rows rows(48);
  const absl::Status layer = hasher.Hash(2, batch, absl::MakeSpan(rows));
  EXPECT_EQ(layer.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(layer.message()), HasSubstr("no layer at index 2"));
  rows.resize(47);
  const absl::Status size = hasher.Hash(0, batch, absl::MakeSpan(rows));
  EXPECT_EQ(size.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(size.message()), HasSubstr("room for 47 row ids"));
}

TEST(NgramHasherTest, RefusesMapsThatDoNotFitTheConfig) {
  std::vector<uint32_t> map = IdentityTokenMap(99092);
  map[777] = 99092;
  const absl::Status id = NgramHasher::Create(V41Config(), map).status();
  EXPECT_EQ(id.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(id.message()),
              HasSubstr("token 777 the compressed id 99092: ids must be below 99092"));

  const absl::Status pad = NgramHasher::Create(V41Config(), IdentityTokenMap(2)).status();
  EXPECT_EQ(pad.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(pad.message()), HasSubstr("lacks the pad token 2"));
}

TEST(NgramHasherTest, ThePadGoesThroughTheMap) {
  HashConfig config = V41Config();
  std::vector<uint32_t> map = IdentityTokenMap(99092);
  map[2] = 500;
  const NgramHasher hasher = MakeHasher(config, map);
  const Sequence sequence = {{9, 10, kDeadToken, 11}, {}};
  EXPECT_EQ(HashWhole(hasher, 0, sequence.tokens),
            ReferenceRows(config, map, hasher.layers()[0], sequence));
}

}  // namespace
}  // namespace engram
