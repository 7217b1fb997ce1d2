#include "client/hash/u32_file.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "client/hash/token_map.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/hash/hash_testing.h"

namespace engram {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Large enough for several pieces of input and of output; not well compressible.
std::vector<uint32_t> ManyValues() {
  std::vector<uint32_t> values(300001);
  uint32_t x = 1;
  for (uint32_t& value : values) {
    x = x * 1664525 + 1013904223;
    value = x;
  }
  return values;
}

void ExpectError(const absl::StatusOr<std::vector<uint32_t>>& read, absl::StatusCode code,
                 const std::string& message) {
  EXPECT_EQ(read.status().code(), code);
  EXPECT_THAT(std::string(read.status().message()), HasSubstr(message));
}

TEST(U32FileTest, ReadsRawAndCompressedFiles) {
  const std::vector<uint32_t> values = ManyValues();
  const std::string bytes = U32Bytes(values);
  auto raw = ReadU32File(WriteTemp("a.u32", bytes));
  ASSERT_TRUE(raw.ok()) << raw.status();
  EXPECT_EQ(*raw, values);
  auto compressed = ReadU32File(WriteTemp("a.u32.zst", Compress(bytes)));
  ASSERT_TRUE(compressed.ok()) << compressed.status();
  EXPECT_EQ(*compressed, values);
}

TEST(U32FileTest, ReadsWhatExpandsManyfold) {
  const std::vector<uint32_t> values(4000000, 7);
  auto read = ReadU32File(WriteTemp("a.u32.zst", Compress(U32Bytes(values))));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, values);
}

// Frames may split a number.
TEST(U32FileTest, ReadsSeveralFrames) {
  const std::vector<uint32_t> values = ManyValues();
  const std::string bytes = U32Bytes(values);
  const std::string frames = Compress(bytes.substr(0, 1001)) + Compress(bytes.substr(1001));
  auto read = ReadU32File(WriteTemp("a.u32.zst", frames));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, values);
}

TEST(U32FileTest, EmptyFilesHoldNoNumbers) {
  auto raw = ReadU32File(WriteTemp("a.u32", ""));
  ASSERT_TRUE(raw.ok()) << raw.status();
  EXPECT_THAT(*raw, IsEmpty());
  auto compressed = ReadU32File(WriteTemp("a.u32.zst", Compress("")));
  ASSERT_TRUE(compressed.ok()) << compressed.status();
  EXPECT_THAT(*compressed, IsEmpty());
}

TEST(U32FileTest, RefusesPartsOfNumbers) {
  const std::string raw = WriteTemp("a.u32", "12345");
  ExpectError(ReadU32File(raw), absl::StatusCode::kInvalidArgument,
              raw + " holds 5 bytes, which is no multiple of 4");
  ExpectError(ReadU32File(WriteTemp("a.u32.zst", Compress("1234567"))),
              absl::StatusCode::kInvalidArgument, "holds 7 bytes");
}

TEST(U32FileTest, RefusesMoreThanTheLimit) {
  const std::string bytes = U32Bytes({1, 2, 3});
  for (const std::string& path :
       {WriteTemp("a.u32", bytes), WriteTemp("a.u32.zst", Compress(bytes))}) {
    EXPECT_TRUE(ReadU32File(path, 3).ok());
    ExpectError(ReadU32File(path, 2), absl::StatusCode::kInvalidArgument,
                path + " holds more than 2 numbers");
  }
}

TEST(U32FileTest, RefusesUnsoundZstd) {
  const std::string frame = Compress(U32Bytes(ManyValues()));
  ExpectError(ReadU32File(WriteTemp("raw.u32.zst", U32Bytes({1, 2, 3}))),
              absl::StatusCode::kDataLoss, "is not a sound zstd file");
  ExpectError(ReadU32File(WriteTemp("empty.u32.zst", "")), absl::StatusCode::kDataLoss,
              "is cut off");
  for (size_t cut : {size_t{1}, frame.size() / 2, frame.size() - 1}) {
    ExpectError(ReadU32File(WriteTemp("cut.u32.zst", frame.substr(0, cut))),
                absl::StatusCode::kDataLoss, "is cut off");
  }
  ExpectError(ReadU32File(WriteTemp("tail.u32.zst", frame + "tail")), absl::StatusCode::kDataLoss,
              "is not a sound zstd file");
}

TEST(U32FileTest, NamesFilesThatCannotBeRead) {
  ExpectError(ReadU32File("/nonexistent/a.u32"), absl::StatusCode::kNotFound, "/nonexistent/a.u32");
  EXPECT_FALSE(ReadU32File(testing::TempDir()).ok());
}

TEST(TokenMapTest, LoadsTheMapUnderTestData) {
  auto map = LoadTokenMap(TestData("token_map.u32.zst"));
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_EQ(map->size(), 128815u);
  EXPECT_EQ(*std::max_element(map->begin(), map->end()), 99044u);
  EXPECT_EQ((*map)[2], 2u);
}

TEST(TokenMapTest, RefusesAnEmptyMap) {
  const std::string path = WriteTemp("map.u32", "");
  ExpectError(LoadTokenMap(path), absl::StatusCode::kInvalidArgument, path + " maps no tokens");
}

TEST(TokenMapTest, TheIdentityMapsEachTokenToItself) {
  std::vector<uint32_t> expected(1000);
  std::iota(expected.begin(), expected.end(), 0u);
  EXPECT_EQ(IdentityTokenMap(1000), expected);
}

}  // namespace
}  // namespace engram
