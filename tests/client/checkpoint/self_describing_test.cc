// Self-describing rows: their bytes are pinned by values computed elsewhere, and every way in which
// a row can be wrong is reported.
#include "client/checkpoint/self_describing.h"

#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace engram {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr SelfDescribingKey kKey{.layer = 14, .seed = 7};

std::vector<std::byte> MakeRows(const SelfDescribingKey& key, const std::vector<uint32_t>& ids,
                                size_t row_bytes) {
  std::vector<std::byte> rows(ids.size() * row_bytes);
  for (size_t i = 0; i < ids.size(); ++i) {
    FillSelfDescribingRow(key, ids[i], absl::MakeSpan(rows).subspan(i * row_bytes, row_bytes));
  }
  return rows;
}

uint64_t WordAt(const std::vector<std::byte>& row, size_t index) {
  uint64_t word;
  std::memcpy(&word, row.data() + index * sizeof(word), sizeof(word));
  return word;
}

TEST(SelfDescribingRowTest, BytesArePinned) {
  const std::vector<std::byte> row = MakeRows(kKey, {123456}, 264);
  EXPECT_EQ(WordAt(row, 0), 0x0000000e'0001e240u);
  EXPECT_EQ(WordAt(row, 1), 0x574f5245'00000007u);
  EXPECT_EQ(WordAt(row, 2), 0x1f370ac2a01da25cu);
  EXPECT_EQ(WordAt(row, 3), 0x4b0ae125de1f980du);
  EXPECT_EQ(WordAt(row, 32), 0x1e0662e63a706ff5u);
}

TEST(SelfDescribingRowTest, AShorterRowIsAPrefixOfALongerOne) {
  const std::vector<std::byte> longest = MakeRows(kKey, {5}, 48);
  for (size_t row_bytes = 1; row_bytes < longest.size(); ++row_bytes) {
    const std::vector<std::byte> row = MakeRows(kKey, {5}, row_bytes);
    EXPECT_EQ(std::memcmp(row.data(), longest.data(), row_bytes), 0) << row_bytes;
  }
}

TEST(SelfDescribingRowTest, HeaderNamesTheRow) {
  const std::vector<std::byte> row = MakeRows(kKey, {0xFFFFFFFE}, 16);
  EXPECT_EQ(ReadSelfDescribingHeader(row),
            (SelfDescribingHeader{.key = kKey, .row_id = 0xFFFFFFFE}));
}

TEST(SelfDescribingRowTest, OtherBytesHaveNoHeader) {
  std::vector<std::byte> row = MakeRows(kKey, {1}, 264);
  EXPECT_FALSE(ReadSelfDescribingHeader(absl::MakeSpan(row).first(15)).has_value());
  row[15] ^= std::byte{1};
  EXPECT_FALSE(ReadSelfDescribingHeader(row).has_value());
  EXPECT_FALSE(ReadSelfDescribingHeader(std::vector<std::byte>(264)).has_value());
}

TEST(SelfDescribingRowTest, BodiesOfDifferentRowsDiffer) {
  std::set<uint64_t> words;
  size_t count = 0;
  for (uint32_t layer : {1u, 14u}) {
    for (uint32_t seed : {0u, 1u}) {
      for (uint32_t row_id = 0; row_id < 1000; ++row_id) {
        const std::vector<std::byte> row = MakeRows({.layer = layer, .seed = seed}, {row_id}, 264);
        for (size_t i = 2; i < 33; ++i, ++count) words.insert(WordAt(row, i));
      }
    }
  }
  EXPECT_EQ(words.size(), count);
}

TEST(SelfDescribingPlaneTest, PlanesAreColumnsOfPackedRows) {
  constexpr size_t kRowBytes = 264;
  constexpr uint32_t kFirst = 4'000'000'000;
  const std::vector<std::byte> packed = MakeRows(kKey, {kFirst, kFirst + 1, kFirst + 2}, kRowBytes);
  const struct {
    size_t first_byte, width;
  } kPlanes[] = {{0, 256}, {256, 8}, {0, 264}, {8, 13}, {0, 1}};
  for (const auto& [first_byte, width] : kPlanes) {
    std::vector<std::byte> plane(3 * width);
    FillSelfDescribingPlane(kKey, kFirst, first_byte, width, absl::MakeSpan(plane));
    for (size_t row = 0; row < 3; ++row) {
      EXPECT_EQ(std::memcmp(plane.data() + row * width,
                            packed.data() + row * kRowBytes + first_byte, width),
                0)
          << "row " << row << " of the plane at " << first_byte << ", " << width << " wide";
    }
  }
}

class CheckRowsTest : public ::testing::TestWithParam<size_t> {
 protected:
  const size_t row_bytes_ = GetParam();
  const std::vector<uint32_t> ids_{3, 0, 3, 4'294'967'294, 17};
  std::vector<std::byte> rows_ = MakeRows(kKey, ids_, row_bytes_);
};

TEST_P(CheckRowsTest, RightRowsPass) {
  EXPECT_EQ(CheckSelfDescribingRows(kKey, ids_, rows_, row_bytes_), absl::OkStatus());
}

TEST_P(CheckRowsTest, EveryWrongBitOfEveryByteShows) {
  for (size_t i = 0; i < rows_.size(); ++i) {
    const std::byte flipped{static_cast<uint8_t>(1u << (i % 8))};
    rows_[i] ^= flipped;
    const absl::Status status = CheckSelfDescribingRows(kKey, ids_, rows_, row_bytes_);
    rows_[i] ^= flipped;
    const size_t index = i / row_bytes_;
    ASSERT_EQ(status.code(), absl::StatusCode::kDataLoss) << "byte " << i;
    ASSERT_THAT(std::string(status.message()),
                AllOf(HasSubstr("row " + std::to_string(ids_[index]) + " of layer 14, seed 7"),
                      HasSubstr("(index " + std::to_string(index) + ")"),
                      HasSubstr("at byte " + std::to_string(i % row_bytes_) + ":")));
  }
}

INSTANTIATE_TEST_SUITE_P(RowBytes, CheckRowsTest,
                         ::testing::Values(1, 4, 8, 15, 16, 17, 23, 24, 160, 264, 265, 320));

std::string Complaint(const SelfDescribingKey& expected, const std::vector<uint32_t>& ids,
                      const std::vector<std::byte>& rows, size_t row_bytes = 264) {
  return std::string(CheckSelfDescribingRows(expected, ids, rows, row_bytes).message());
}

TEST(CheckRowsMessageTest, NamesTheRowThatLiesThere) {
  EXPECT_EQ(Complaint(kKey, {1, 2}, MakeRows(kKey, {1, 300}, 264)),
            "row 2 of layer 14, seed 7 (index 1) is wrong at byte 0: 0x2c instead of 0x02; "
            "the bytes there begin like row 300 of layer 14, seed 7");
}

TEST(CheckRowsMessageTest, TellsAnotherTableAndAnotherVersion) {
  EXPECT_THAT(Complaint(kKey, {9}, MakeRows({.layer = 1, .seed = 7}, {9}, 264)),
              HasSubstr("begin like row 9 of layer 1, seed 7"));
  EXPECT_THAT(Complaint(kKey, {9}, MakeRows({.layer = 14, .seed = 8}, {9}, 264)),
              HasSubstr("begin like row 9 of layer 14, seed 8"));
}

TEST(CheckRowsMessageTest, RowsThatAreNone) {
  EXPECT_EQ(Complaint(kKey, {5}, std::vector<std::byte>(264)),
            "row 5 of layer 14, seed 7 (index 0) is wrong at byte 0: 0x00 instead of 0x05; "
            "the bytes there do not begin like a self-describing row");
}

TEST(CheckRowsMessageTest, AShiftOfOneByteShows) {
  std::vector<std::byte> rows = MakeRows(kKey, {7, 8}, 264);
  rows.erase(rows.begin());
  rows.push_back(std::byte{0});
  EXPECT_THAT(Complaint(kKey, {7, 8}, rows), HasSubstr("row 7 of layer 14, seed 7 (index 0)"));
}

TEST(CheckRowsMessageTest, SizeMustFit) {
  const std::vector<std::byte> rows(263);
  const absl::Status status = CheckSelfDescribingRows(kKey, {{1u}}, rows, 264);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "263 bytes cannot be 1 rows of 264 bytes");
  EXPECT_EQ(CheckSelfDescribingRows(kKey, {}, {}, 0).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(CheckSelfDescribingRows(kKey, {}, {}, 264).ok());
}

}  // namespace
}  // namespace engram
