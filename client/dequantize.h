// Rows of FP8 values as numbers that a CPU computes with.
#ifndef ENGRAM_CLIENT_DEQUANTIZE_H_
#define ENGRAM_CLIENT_DEQUANTIZE_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "client/engram_client.h"

namespace engram {

// Values of tables of the formats kFp8E4m3E8m0, where
//   value = e4m3 x 2^(e8m0 - 127), each e8m0 byte for scale_block values of its row,
// and kFp8E4m3, where value = e4m3 x scalar_scale. E4M3 has no infinity: 0x7F and 0xFF are NaN; as
// a scale, 0xFF is NaN (OCP Microscaling Formats, version 1.0). Products are rounded to the nearest
// FP32, ties to even; what is too large is infinite. With E8M0 scales nothing has to be rounded.
//
// Any thread. The processor must not be told to flush subnormal numbers.
//   rows: [n x row_bytes], as Table::Fetch returns them;  values: out: [n x values_per_row]
//   INVALID_ARGUMENT  another format; `rows` is no whole number of rows; `values` has another size
absl::Status DequantizeToFp32(const TableSpec& spec, absl::Span<const std::byte> rows,
                              absl::Span<float> values);

// The same values, rounded once more, to BF16: the upper half of an FP32's bits. With E8M0 scales
// only values below 2^-126 have to be.
absl::Status DequantizeToBf16(const TableSpec& spec, absl::Span<const std::byte> rows,
                              absl::Span<uint16_t> values);

}  // namespace engram

#endif  // ENGRAM_CLIENT_DEQUANTIZE_H_
