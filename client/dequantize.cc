#include "client/dequantize.h"

#include <bit>
#include <limits>

#include "absl/strings/str_cat.h"

namespace engram {
namespace {

constexpr uint32_t kFp32Nan = 0x7FC00000;

float Fp32Of(uint32_t bits) { return std::bit_cast<float>(bits); }

// 2^(scale - 127).
float ScaleOf(std::byte scale) {
  const auto exponent = static_cast<uint32_t>(scale);
  if (exponent == 0xFF) return Fp32Of(kFp32Nan);
  return Fp32Of(exponent == 0 ? 0x00400000 : exponent << 23);
}

// The bits of an E4M3, moved to where an FP32 has them, are 2^-120 of its value, for the exponents
// start at 7 there and at 127 here; this is exact for subnormal numbers as well.
uint32_t BitsOf(std::byte value, float scale) {
  const auto byte = static_cast<uint32_t>(value);
  const float magnitude = Fp32Of((byte & 0x7F) << 20) * 0x1p120F * scale;
  const uint32_t is_nan = 0 - static_cast<uint32_t>((byte & 0x7F) == 0x7F);
  const uint32_t bits = (is_nan & kFp32Nan) | (~is_nan & std::bit_cast<uint32_t>(magnitude));
  return bits | (byte & 0x80) << 24;
}

void Store(uint32_t bits, float* value) { *value = Fp32Of(bits); }

// A NaN, of which the lower half is 0, stays one.
void Store(uint32_t bits, uint16_t* value) {
  *value = static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

// Without branches and calls, so that the compiler makes vectors of it; for a known count best.
template <typename Value>
void DequantizeBlock(const std::byte* __restrict from, size_t count, float scale,
                     Value* __restrict to) {
  constexpr size_t kPiece = 32;
  for (; count >= kPiece; count -= kPiece, from += kPiece, to += kPiece) {
    for (size_t i = 0; i < kPiece; ++i) Store(BitsOf(from[i], scale), to + i);
  }
  for (size_t i = 0; i < count; ++i) Store(BitsOf(from[i], scale), to + i);
}

absl::Status Check(const TableSpec& spec, size_t rows_bytes, size_t values) {
  if (spec.value_format != ValueFormat::kFp8E4m3E8m0 &&
      spec.value_format != ValueFormat::kFp8E4m3) {
    return absl::InvalidArgumentError(
        absl::StrCat("rows of value format ", static_cast<uint32_t>(spec.value_format),
                     " cannot be dequantised: it is neither 2 nor 3, which are FP8 E4M3"));
  }
  if (spec.row_bytes == 0 || rows_bytes % spec.row_bytes != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(rows_bytes, " bytes are no whole number of rows of ", spec.row_bytes));
  }
  const uint64_t needed = rows_bytes / spec.row_bytes * spec.values_per_row;
  if (values != needed) {
    return absl::InvalidArgumentError(absl::StrCat("the output has room for ", values,
                                                   " values, and ", rows_bytes / spec.row_bytes,
                                                   " rows have ", needed));
  }
  return absl::OkStatus();
}

template <typename Value>
absl::Status Dequantize(const TableSpec& spec, absl::Span<const std::byte> rows, Value* to) {
  const bool scales_in_row = spec.value_format == ValueFormat::kFp8E4m3E8m0;
  const size_t block = scales_in_row ? spec.scale_block : spec.values_per_row;
  for (size_t row = 0; row < rows.size(); row += spec.row_bytes) {
    const std::byte* const from = rows.data() + row;
    const std::byte* scale = from + spec.values_per_row;
    for (size_t value = 0; value < spec.values_per_row; value += block, to += block) {
      DequantizeBlock(from + value, block, scales_in_row ? ScaleOf(*scale++) : spec.scalar_scale,
                      to);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status DequantizeToFp32(const TableSpec& spec, absl::Span<const std::byte> rows,
                              absl::Span<float> values) {
  if (absl::Status status = Check(spec, rows.size(), values.size()); !status.ok()) return status;
  return Dequantize(spec, rows, values.data());
}

absl::Status DequantizeToBf16(const TableSpec& spec, absl::Span<const std::byte> rows,
                              absl::Span<uint16_t> values) {
  if (absl::Status status = Check(spec, rows.size(), values.size()); !status.ok()) return status;
  return Dequantize(spec, rows, values.data());
}

}  // namespace engram
