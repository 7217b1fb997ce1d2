// Goal: every pair of a value and a scale comes out as the formats' definitions say, rounded once.
#include "client/dequantize.h"

#include <gmock/gmock.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

namespace engram {
namespace {

using testing::HasSubstr;

// By the definition, in arithmetic that has room for all of it.
double E4m3(uint32_t byte) {
  const double sign = byte & 0x80 ? -1 : 1;
  const auto exponent = static_cast<int>(byte >> 3 & 15);
  const auto mantissa = static_cast<int>(byte & 7);
  if (exponent == 15 && mantissa == 7) return std::numeric_limits<double>::quiet_NaN();
  if (exponent == 0) return sign * std::ldexp(mantissa, -9);
  return sign * std::ldexp(8 + mantissa, exponent - 10);
}

double E8m0(uint32_t byte) {
  if (byte == 255) return std::numeric_limits<double>::quiet_NaN();
  return std::ldexp(1, static_cast<int>(byte) - 127);
}

// To a format with this precision and the exponents of FP32.
double Round(double value, int significant_bits) {
  if (!std::isfinite(value) || value == 0) return value;
  const int exponent = std::max(std::ilogb(value), -126);
  const double rounded =
      std::ldexp(std::nearbyint(std::ldexp(value, significant_bits - 1 - exponent)),
                 exponent - significant_bits + 1);
  return std::abs(rounded) < std::ldexp(1, 128)
             ? rounded
             : std::copysign(std::numeric_limits<double>::infinity(), value);
}

double Widen(float value) { return value; }
double Widen(uint16_t bf16) { return std::bit_cast<float>(uint32_t{bf16} << 16); }

void ExpectSame(double got, double expected, uint32_t value, uint32_t scale) {
  if (std::isnan(expected)) {
    EXPECT_TRUE(std::isnan(got)) << value << " x " << scale;
  } else {
    EXPECT_EQ(got, expected) << value << " x " << scale;
    EXPECT_EQ(std::signbit(got), std::signbit(expected)) << value << " x " << scale;
  }
}

TableSpec Spec(ValueFormat format, uint32_t values, uint32_t block) {
  TableSpec spec;
  spec.value_format = format;
  spec.values_per_row = values;
  spec.scale_block = block;
  spec.row_bytes = values + (block == 0 ? 0 : values / block);
  return spec;
}

// Rows of all 256 values, with 256 scales, of which each is that of one block in each row.
struct AllPairs {
  explicit AllPairs(uint32_t block) : spec(Spec(ValueFormat::kFp8E4m3E8m0, 256, block)) {
    for (uint32_t scale = 0; scale < 256; ++scale) {
      for (uint32_t value = 0; value < 256; ++value) rows.push_back(std::byte(value));
      for (uint32_t i = 0; i < 256 / block; ++i) rows.push_back(std::byte((scale + i) % 256));
    }
  }
  static uint32_t ScaleOf(size_t row, size_t value, uint32_t block) {
    return static_cast<uint32_t>((row + value / block) % 256);
  }
  TableSpec spec;
  std::vector<std::byte> rows;
};

TEST(DequantizeTest, EveryPairIsExactInFp32) {
  for (const uint32_t block : {1U, 16U, 32U, 256U}) {
    const AllPairs pairs(block);
    std::vector<float> values(256 * 256);
    ASSERT_TRUE(DequantizeToFp32(pairs.spec, pairs.rows, absl::MakeSpan(values)).ok());
    for (uint32_t i = 0; i < values.size(); ++i) {
      const uint32_t scale = AllPairs::ScaleOf(i / 256, i % 256, block);
      const double exact = E4m3(i % 256) * E8m0(scale);
      const double expected = Round(exact, 24);
      EXPECT_TRUE(!std::isfinite(expected) || expected == exact);
      ExpectSame(Widen(values[i]), expected, i % 256, scale);
    }
  }
}

TEST(DequantizeTest, EveryPairIsRoundedOnceInBf16) {
  const AllPairs pairs(32);
  std::vector<uint16_t> values(256 * 256);
  ASSERT_TRUE(DequantizeToBf16(pairs.spec, pairs.rows, absl::MakeSpan(values)).ok());
  for (uint32_t i = 0; i < values.size(); ++i) {
    const uint32_t scale = AllPairs::ScaleOf(i / 256, i % 256, 32);
    ExpectSame(Widen(values[i]), Round(E4m3(i % 256) * E8m0(scale), 8), i % 256, scale);
  }
}

TEST(DequantizeTest, OneScaleOfATable) {
  TableSpec spec = Spec(ValueFormat::kFp8E4m3, 160, 0);
  std::vector<std::byte> rows;
  for (uint32_t i = 0; i < 160 * 8; ++i) rows.push_back(std::byte(i % 256));
  std::vector<float> fp32(rows.size());
  std::vector<uint16_t> bf16(rows.size());
  for (const float scale : {1.0F, 0.0123F, 3.0e38F, 1.0e-40F}) {
    spec.scalar_scale = scale;
    ASSERT_TRUE(DequantizeToFp32(spec, rows, absl::MakeSpan(fp32)).ok());
    ASSERT_TRUE(DequantizeToBf16(spec, rows, absl::MakeSpan(bf16)).ok());
    for (uint32_t i = 0; i < rows.size(); ++i) {
      const double product = Round(E4m3(i % 256) * double{scale}, 24);
      ExpectSame(Widen(fp32[i]), product, i % 256, 0);
      ExpectSame(Widen(bf16[i]), Round(product, 8), i % 256, 0);
    }
  }
}

TEST(DequantizeTest, BadInputIsNamed) {
  std::vector<std::byte> rows(264);
  std::vector<float> values(256);
  TableSpec spec = Spec(ValueFormat::kFp8E4m3E8m0, 256, 32);
  EXPECT_TRUE(DequantizeToFp32(spec, rows, absl::MakeSpan(values)).ok());
  EXPECT_TRUE(DequantizeToFp32(spec, {}, {}).ok());
  const auto message = [&](size_t row_bytes, size_t outputs) {
    const absl::Status status = DequantizeToFp32(spec, absl::MakeSpan(rows).subspan(0, row_bytes),
                                                 absl::MakeSpan(values).subspan(0, outputs));
    EXPECT_TRUE(absl::IsInvalidArgument(status));
    return std::string(status.message());
  };
  EXPECT_THAT(message(263, 256), HasSubstr("263 bytes are no whole number of rows of 264"));
  EXPECT_THAT(message(264, 255), HasSubstr("room for 255 values, and 1 rows have 256"));
  spec.value_format = ValueFormat::kBf16;
  EXPECT_THAT(message(264, 256), HasSubstr("value format 4"));
}

}  // namespace
}  // namespace engram
