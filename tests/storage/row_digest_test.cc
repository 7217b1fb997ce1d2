#include "storage/row_digest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace engram::storage {
namespace {

absl::Span<const std::byte> Bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

std::string Hex(const std::string& text) {
  RowDigest digest;
  digest.Update(Bytes(text));
  return digest.Finish().ToHex();
}

// As `xxhsum -H2` prints: digests are on disk and on the wire.
TEST(RowDigestTest, GoldenValues) {
  EXPECT_EQ(RowDigest().Finish().ToHex(), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(Hex("engram"), "99566619823feaa615c28784a06aa9c3");
  EXPECT_EQ(Hex(std::string(100'000, 'x')), "0fe996a84987456bd8b99a30e426ac41");
}

TEST(RowDigestTest, PiecesAddUp) {
  std::string text(1'000'003, '\0');
  for (size_t i = 0; i < text.size(); ++i) {
    text[i] = static_cast<char>(i * i >> 7);
  }
  RowDigest pieces;
  for (size_t at = 0; at < text.size();) {
    const size_t size = std::min(text.size() - at, at % 7001 + 1);
    pieces.Update(Bytes(text).subspan(at, size));
    at += size;
  }
  EXPECT_EQ(pieces.Finish().ToHex(), Hex(text));
}

TEST(RowDigestTest, OneBitOrTwoRowsSwappedShow) {
  std::string text(264 * 10, 'r');
  const std::string hex = Hex(text);
  text[1000] ^= 1;
  EXPECT_NE(Hex(text), hex);
  std::string swapped = text;
  std::swap_ranges(swapped.begin(), swapped.begin() + 264, swapped.begin() + 3 * 264);
  EXPECT_NE(Hex(swapped), Hex(text));
}

}  // namespace
}  // namespace engram::storage
