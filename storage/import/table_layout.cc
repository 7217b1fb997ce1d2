#include "storage/import/table_layout.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

namespace engram::storage {
namespace {

absl::Status Refuse(const Tensor& tensor, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat(tensor.Label(), " is ", tensor.TypeAndShape(), ", ", why));
}

ValueFormat FormatOf(TensorType type) {
  switch (type) {
    case TensorType::kF8E4m3:
      return ValueFormat::kFp8E4m3;
    case TensorType::kBf16:
      return ValueFormat::kBf16;
    case TensorType::kF16:
      return ValueFormat::kFp16;
    case TensorType::kF32:
      return ValueFormat::kFp32;
    case TensorType::kI8:
      return ValueFormat::kInt8;
    default:
      return ValueFormat::kOpaque;
  }
}

absl::StatusOr<TableSpec> LayOutWeights(const std::vector<Tensor>& weights) {
  const Tensor& first = weights.front();
  TableSpec spec;
  for (const Tensor& weight : weights) {
    if (weight.shape.size() != 2) return Refuse(weight, "a table needs [rows, values]");
    if (weight.shape[0] == 0 || weight.shape[1] == 0) return Refuse(weight, "which is empty");
    if (weight.type != first.type || weight.shape[1] != first.shape[1]) {
      return Refuse(weight, absl::StrCat("but tensor ", Quoted(first.name),
                                         " of the same table is ", first.TypeAndShape()));
    }
    spec.rows += weight.shape[0];
    if (weight.shape[0] > kMaxRows || spec.rows > kMaxRows) {
      return Refuse(weight, absl::StrCat("but a table may have ", kMaxRows, " rows"));
    }
  }
  const std::optional<uint64_t> row_bytes = ByteSize(first.type, {first.shape[1]});
  if (!row_bytes) return Refuse(first, "whose rows do not end at a byte");
  if (*row_bytes > kMaxRowBytes) {
    return Refuse(first, absl::StrCat("but a row may have ", kMaxRowBytes, " bytes"));
  }
  spec.row_bytes = static_cast<uint32_t>(*row_bytes);
  spec.value_format = FormatOf(first.type);
  if (spec.value_format != ValueFormat::kOpaque) {
    spec.values_per_row = static_cast<uint32_t>(first.shape[1]);
  }
  return spec;
}

// Adds one scale byte a block of each row.
absl::Status AddBlockScales(const Tensor& weight, const Tensor& scale, TableSpec* spec) {
  if (weight.type != TensorType::kF8E4m3) {
    return Refuse(scale, absl::StrCat("scales for blocks go with F8_E4M3 values, but tensor ",
                                      Quoted(weight.name), " is ", weight.TypeAndShape()));
  }
  if (scale.shape.size() != 2 || scale.shape[0] != spec->rows || scale.shape[1] == 0 ||
      spec->values_per_row % scale.shape[1] != 0) {
    return Refuse(scale,
                  absl::StrCat("but its table has ", spec->rows, " rows of ", spec->values_per_row,
                               " values: scales must be [rows, blocks of a row]"));
  }
  spec->value_format = ValueFormat::kFp8E4m3E8m0;
  spec->scale_block = static_cast<uint32_t>(spec->values_per_row / scale.shape[1]);
  spec->row_bytes += static_cast<uint32_t>(scale.shape[1]);
  return absl::OkStatus();
}

float HalfToFloat(uint32_t bits) {
  const int exponent = static_cast<int>(bits >> 10 & 31);
  const auto fraction = static_cast<float>(bits & 1023);
  float value = 0;
  if (exponent == 31) {
    value = INFINITY;
  } else if (exponent == 0) {
    value = std::ldexp(fraction, -24);
  } else {
    value = std::ldexp(fraction + 1024, exponent - 25);
  }
  return bits >> 15 != 0 ? -value : value;
}

absl::Status ReadScalarScale(const Tensor& weight, const Tensor& scale, TableSpec* spec) {
  if (weight.type != TensorType::kF8E4m3 && weight.type != TensorType::kI8) {
    return Refuse(scale, absl::StrCat("a scale goes with F8_E4M3 or I8 values, but tensor ",
                                      Quoted(weight.name), " is ", weight.TypeAndShape()));
  }
  std::array<std::byte, 4> bytes{};
  absl::Status status = scale.file->ReadAt(scale.offset, absl::MakeSpan(bytes.data(), scale.bytes));
  if (!status.ok()) return status;
  uint32_t bits = 0;
  for (size_t i = bytes.size(); i-- > 0;) bits = bits << 8 | std::to_integer<uint32_t>(bytes[i]);
  if (scale.type == TensorType::kF16) {
    spec->scalar_scale = HalfToFloat(bits);
  } else {
    spec->scalar_scale = std::bit_cast<float>(scale.type == TensorType::kBf16 ? bits << 16 : bits);
  }
  if (!std::isfinite(spec->scalar_scale) || spec->scalar_scale <= 0) {
    return Refuse(scale, absl::StrCat("and says ", spec->scalar_scale,
                                      ", but a scale must be finite and above 0"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TableSpec> LayOutTable(const TableTensors& tensors) {
  absl::StatusOr<TableSpec> spec = LayOutWeights(tensors.weights);
  if (!spec.ok() || !tensors.scale) return spec;
  const Tensor& weight = tensors.weights.front();
  const Tensor& scale = *tensors.scale;
  absl::Status status;
  switch (scale.type) {
    case TensorType::kF8E8m0:
    case TensorType::kU8:
      status = AddBlockScales(weight, scale, &*spec);
      break;
    case TensorType::kF32:
    case TensorType::kF16:
    case TensorType::kBf16:
      status = scale.bytes * 8 == TensorTypeBits(scale.type)
                   ? ReadScalarScale(weight, scale, &*spec)
                   : Refuse(scale, "but a scale of that type must be one number");
      break;
    default:
      status = Refuse(scale,
                      "but a scale must be F8_E8M0 or U8 [rows, blocks], or one number of "
                      "F32, F16 or BF16");
  }
  if (!status.ok()) return status;
  return spec;
}

}  // namespace engram::storage
