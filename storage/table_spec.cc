#include "storage/table_spec.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace engram::storage {
namespace {

constexpr size_t kMaxNameLength = 200;
constexpr uint32_t kMaxOrder = 64;

// Bytes of one value; 0 where the format does not say.
uint32_t BytesPerValue(ValueFormat format) {
  switch (format) {
    case ValueFormat::kFp8E4m3E8m0:
    case ValueFormat::kFp8E4m3:
    case ValueFormat::kInt8:
      return 1;
    case ValueFormat::kBf16:
    case ValueFormat::kFp16:
      return 2;
    case ValueFormat::kFp32:
      return 4;
    case ValueFormat::kOpaque:
      return 0;
  }
  return 0;
}

absl::Status CheckRange(absl::string_view field, uint64_t value, uint64_t least, uint64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("table spec: ", field, " is ", value, ", must be ", least, " to ", most));
}

absl::Status CheckOrders(const std::vector<uint32_t>& orders) {
  std::set<uint32_t> seen;
  for (uint32_t order : orders) {
    absl::Status status = CheckRange("an n-gram order", order, 1, kMaxOrder);
    if (!status.ok()) return status;
    if (!seen.insert(order).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("table spec: n-gram order ", order, " is listed twice"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckScales(const TableSpec& spec) {
  const absl::string_view format = ValueFormatName(spec.value_format);
  if (!std::isfinite(spec.scalar_scale) || spec.scalar_scale <= 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "table spec: scalar_scale is ", spec.scalar_scale, ", must be finite and above 0"));
  }
  if (spec.value_format == ValueFormat::kOpaque && spec.scalar_scale != 1.0F) {
    return absl::InvalidArgumentError("table spec: opaque rows have no scalar_scale");
  }
  if (spec.value_format != ValueFormat::kFp8E4m3E8m0) {
    if (spec.scale_block == 0) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("table spec: scale_block is ", spec.scale_block,
                                                   ", but ", format, " rows hold no scales"));
  }
  if (spec.scale_block == 0 || spec.values_per_row % spec.scale_block != 0) {
    return absl::InvalidArgumentError(absl::StrCat("table spec: scale_block is ", spec.scale_block,
                                                   ", must divide values_per_row ",
                                                   spec.values_per_row));
  }
  return absl::OkStatus();
}

absl::Status CheckRowBytes(const TableSpec& spec) {
  const absl::string_view format = ValueFormatName(spec.value_format);
  if (spec.value_format == ValueFormat::kOpaque) {
    if (spec.values_per_row == 0) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("table spec: values_per_row is ",
                                                   spec.values_per_row,
                                                   ", must be 0 where rows are opaque"));
  }
  if (spec.values_per_row == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("table spec: values_per_row is 0, but rows are ", format));
  }
  uint64_t expected = uint64_t{spec.values_per_row} * BytesPerValue(spec.value_format);
  if (spec.scale_block != 0) expected += spec.values_per_row / spec.scale_block;
  if (expected != spec.row_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("table spec: row_bytes is ", spec.row_bytes,
                                                   ", but ", spec.values_per_row, " ", format,
                                                   " values take ", expected));
  }
  return absl::OkStatus();
}

}  // namespace

absl::string_view ValueFormatName(ValueFormat format) {
  switch (format) {
    case ValueFormat::kOpaque:
      return "opaque";
    case ValueFormat::kFp8E4m3E8m0:
      return "fp8_e4m3_e8m0";
    case ValueFormat::kFp8E4m3:
      return "fp8_e4m3";
    case ValueFormat::kBf16:
      return "bf16";
    case ValueFormat::kFp16:
      return "fp16";
    case ValueFormat::kFp32:
      return "fp32";
    case ValueFormat::kInt8:
      return "int8";
  }
  return "unknown";
}

absl::Status ValidateTableSpec(const TableSpec& spec) {
  if (ValueFormatName(spec.value_format) == "unknown") {
    return absl::InvalidArgumentError(absl::StrCat("table spec: value_format is ",
                                                   static_cast<uint32_t>(spec.value_format),
                                                   ", which is no known format"));
  }
  for (const absl::Status& status :
       {CheckRange("rows", spec.rows, 1, kMaxRows),
        CheckRange("row_bytes", spec.row_bytes, 1, kMaxRowBytes),
        CheckRange("group_size", spec.group_size, 1, kMaxGroupSize), CheckOrders(spec.orders),
        CheckScales(spec), CheckRowBytes(spec)}) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ValidateTableName(absl::string_view name) {
  // What is wrong comes first: the name may hold anything, and any amount of it.
  const auto refuse = [&](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(
        "table name ", why, ": '", absl::CHexEscape(name.substr(0, kMaxNameLength)), "'"));
  };
  if (name.empty()) return absl::InvalidArgumentError("table name is empty");
  if (name.size() > kMaxNameLength) {
    return refuse(absl::StrCat("has ", name.size(), " characters, may have ", kMaxNameLength));
  }
  for (char c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) &&
        absl::string_view("._-/").find(c) == absl::string_view::npos) {
      return refuse("may hold letters, digits and \"._-/\" only");
    }
  }
  for (absl::string_view element : absl::StrSplit(name, '/')) {
    if (element.empty()) return refuse("has an empty path element");
    if (element == "." || element == "..") {
      return refuse("has a path element of \".\" or \"..\"");
    }
  }
  return absl::OkStatus();
}

std::string Digest::ToHex() const {
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

}  // namespace engram::storage
