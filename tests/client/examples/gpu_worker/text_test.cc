#include "client/examples/gpu_worker/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/hash/hash_config.h"
#include "client/hash/token_map.h"

namespace engram::gpu_worker {
namespace {

using ::testing::HasSubstr;

class TextTest : public testing::Test {
 protected:
  TextTest() {
    const auto config = LoadHashConfig(std::string(ENGRAM_TEST_DATA) + "/v41_config.json");
    EXPECT_TRUE(config.ok()) << config.status();
    auto hasher = NgramHasher::Create(*config, IdentityTokenMap(config->vocab_size));
    EXPECT_TRUE(hasher.ok()) << hasher.status();
    hasher_.emplace(*std::move(hasher));
    for (uint32_t i = 0; i < 10; ++i) trace_.tokens.push_back(100 + i);
    trace_.document_ends = {8, 10};
  }

  // The ids of one layer for `tokens` as the first of a document, the last position's.
  std::vector<uint32_t> IdsAfter(const std::vector<uint32_t>& tokens) const {
    NgramHistory history = hasher_->SegmentStart();
    NgramBatch batch;
    EXPECT_TRUE(hasher_->Append(tokens, history, batch).ok());
    const std::vector<uint32_t> ids = Ids(batch);
    return {ids.end() - static_cast<std::ptrdiff_t>(hasher_->ids_per_position()), ids.end()};
  }

  std::vector<uint32_t> Ids(const NgramBatch& batch) const {
    std::vector<uint32_t> ids(batch.positions() * hasher_->ids_per_position());
    EXPECT_TRUE(hasher_->Hash(0, batch, absl::MakeSpan(ids)).ok());
    return ids;
  }

  static std::vector<uint32_t> Join(std::vector<uint32_t> first,
                                    const std::vector<uint32_t>& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
  }

  std::optional<NgramHasher> hasher_;
  TokenTrace trace_;
};

TEST_F(TextTest, SequencesReadPartsOfTheirOwnAndStartAnewWithADocument) {
  auto text = Text::Create(*hasher_, trace_, 2, {.skip = 1, .limit = 8}, 4);
  ASSERT_TRUE(text.ok()) << text.status();
  NgramBatch batch;
  ASSERT_TRUE(text->Next(batch).ok());
  EXPECT_EQ(Ids(batch), Join(IdsAfter({101}), IdsAfter({105})));
  Text copy = *text;
  for (Text* same : {&*text, &copy}) {
    ASSERT_TRUE(same->Next(batch).ok());
    EXPECT_EQ(Ids(batch), Join(IdsAfter({101, 102}), IdsAfter({105, 106})));
  }
  ASSERT_TRUE(text->Next(batch).ok());
  ASSERT_TRUE(text->Next(batch).ok());  // token 108 begins the second document
  EXPECT_EQ(Ids(batch), Join(IdsAfter({101, 102, 103, 104}), IdsAfter({108})));
}

TEST_F(TextTest, RefusesTooFewTokens) {
  const auto text = Text::Create(*hasher_, trace_, 2, {.skip = 3}, 4);
  EXPECT_TRUE(absl::IsInvalidArgument(text.status())) << text.status();
  EXPECT_THAT(text.status().message(), HasSubstr("there are 7 tokens to read, but 2 sequences"));
}

}  // namespace
}  // namespace engram::gpu_worker
