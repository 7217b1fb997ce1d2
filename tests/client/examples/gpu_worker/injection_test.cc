#include "client/examples/gpu_worker/injection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace engram::gpu_worker {
namespace {

// Two rows a token, of eight values with a scale for each four of them, and filled up to 16 bytes.
constexpr RowLayout kLayout = {.rows_per_token = 2, .row_bytes = 16, .values = 8, .scale_block = 4};
constexpr std::byte kOne{0x38};       // E4M3
constexpr std::byte kMinusTwo{0xC0};  // E4M3
constexpr std::byte kSmallest{0x01};  // E4M3: 2^-9
constexpr std::byte kE4m3Nan{0x7F};
constexpr std::byte kScaleOne{127};     // E8M0
constexpr std::byte kScaleEighth{124};  // E8M0
constexpr std::byte kScaleNan{255};     // E8M0
constexpr uint16_t kBf16One = 0x3F80;

// A row whose values are 0, but for the first of each scale's block.
void FillRow(std::byte* row, std::byte first, std::byte first_scale, std::byte second,
             std::byte second_scale) {
  std::fill(row, row + kLayout.row_bytes, std::byte{0});
  row[0] = first;
  row[4] = second;
  row[8] = first_scale;
  row[9] = second_scale;
}

TEST(InjectionTest, AddsTamedValuesToTheHiddenState) {
  std::vector<std::byte> rows(2 * kLayout.token_bytes());
  FillRow(&rows[0], kOne, kScaleOne, kMinusTwo, kScaleEighth);     // 1, -1/4
  FillRow(&rows[16], kMinusTwo, kScaleOne, kE4m3Nan, kScaleOne);   // -2, NaN
  FillRow(&rows[32], kOne, kScaleNan, kSmallest, std::byte{136});  // NaN, 2^-9 * 2^9
  FillRow(&rows[48], kOne, kScaleOne, std::byte{0}, kScaleOne);    // 1, 0
  std::vector<uint16_t> hidden(size_t{2} * 16, kBf16One);
  InjectOnHost(kLayout, rows, 2, absl::MakeSpan(hidden));

  std::vector<uint16_t> expected(size_t{2} * 16, kBf16One);
  expected[0] = 0x3F88;       // 1 + 1/16
  expected[4] = 0x3F7C;       // 1 - 1/64
  expected[8] = 0x3F70;       // 1 - 1/16: -2 is limited to -1
  expected[16 + 4] = 0x3F88;  // 1 + 1/16
  expected[16 + 8] = 0x3F88;
  EXPECT_EQ(hidden, expected);
}

TEST(InjectionTest, ChecksumShowsAnyChangeAndOrder) {
  std::vector<std::byte> rows(kLayout.token_bytes());
  FillRow(&rows[0], kOne, kScaleOne, kMinusTwo, kScaleEighth);
  FillRow(&rows[16], kMinusTwo, kScaleOne, kOne, kScaleOne);
  const uint64_t checksum = ChecksumRows(rows);
  for (std::byte& byte : rows) {
    byte ^= std::byte{1};
    EXPECT_NE(ChecksumRows(rows), checksum);
    byte ^= std::byte{1};
  }
  EXPECT_EQ(ChecksumRows(rows), checksum);
  std::rotate(rows.begin(), rows.begin() + 16, rows.end());
  EXPECT_NE(ChecksumRows(rows), checksum);
}

}  // namespace
}  // namespace engram::gpu_worker
