#include "client/ctl/chunk_source.h"

#include <gmock/gmock.h>

#include <vector>

#include "client/hash/hash_config.h"
#include "client/hash/token_map.h"

namespace engram::ctl {
namespace {

using testing::HasSubstr;

HashConfig SmallConfig() {
  HashConfig config;
  config.layer_ids = {1};
  config.max_ngram = 3;
  config.heads = 2;
  config.values_per_row = 8;
  config.prime_floor = 1000;
  config.vocab_size = 100;
  config.seed = 0;
  return config;
}

std::vector<uint32_t> RowsOf(const NgramHasher& hasher, const NgramBatch& batch) {
  std::vector<uint32_t> ids(batch.positions() * hasher.ids_per_position());
  EXPECT_TRUE(hasher.Hash(0, batch, absl::MakeSpan(ids)).ok());
  return ids;
}

TEST(ChunkSourceTest, ChunksHashAsTheirWholeDocumentsDo) {
  const auto hasher = NgramHasher::Create(SmallConfig(), IdentityTokenMap(100));
  ASSERT_TRUE(hasher.ok()) << hasher.status();
  const TokenTrace trace = {.tokens = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11},
                            .document_ends = {3, 4, 11}};

  std::vector<uint32_t> expected;
  for (size_t i = 0; i < trace.documents(); ++i) {
    NgramHistory history = hasher->SegmentStart();
    NgramBatch batch;
    ASSERT_TRUE(hasher->Append(trace.document(i), history, batch).ok());
    const auto rows = RowsOf(*hasher, batch);
    expected.insert(expected.end(), rows.begin(), rows.end());
  }
  expected.insert(expected.end(), expected.begin(), expected.end());  // the second pass

  ChunkSource source(*hasher, trace, /*chunk_tokens=*/4, /*passes=*/2);
  std::vector<size_t> sizes;
  std::vector<uint32_t> rows;
  NgramBatch batch;
  do {
    ASSERT_TRUE(source.Next(batch).ok());
    const auto chunk = RowsOf(*hasher, batch);
    rows.insert(rows.end(), chunk.begin(), chunk.end());
    sizes.push_back(batch.positions());
  } while (batch.positions() > 0);
  EXPECT_THAT(sizes, testing::ElementsAre(4, 4, 3, 4, 4, 3, 0));
  EXPECT_EQ(rows, expected);
}

TEST(ChunkSourceTest, NamesATokenThatTheMapLacks) {
  const auto hasher = NgramHasher::Create(SmallConfig(), IdentityTokenMap(100));
  ASSERT_TRUE(hasher.ok()) << hasher.status();
  const TokenTrace trace = {.tokens = {1, 2, 3, 100}, .document_ends = {4}};
  ChunkSource source(*hasher, trace, /*chunk_tokens=*/2, /*passes=*/1);
  NgramBatch batch;
  ASSERT_TRUE(source.Next(batch).ok());
  const absl::Status status = source.Next(batch);
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(status.message(), HasSubstr("from token 2 on: token 100 at index 1"));
}

}  // namespace
}  // namespace engram::ctl
