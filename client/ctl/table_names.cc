#include "client/ctl/table_names.h"

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace engram::ctl {
namespace {

constexpr absl::string_view kLayerPart = "/layer";

}  // namespace

std::string LayerTableName(absl::string_view prefix, uint32_t layer) {
  return absl::StrCat(prefix, kLayerPart, layer);
}

std::optional<LayerTable> ParseLayerTableName(absl::string_view name) {
  const size_t part = name.rfind(kLayerPart);
  if (part == absl::string_view::npos || part == 0) return std::nullopt;
  LayerTable table{.prefix = std::string(name.substr(0, part))};
  const absl::string_view number = name.substr(part + kLayerPart.size());
  if (!absl::SimpleAtoi(number, &table.layer) || absl::StrCat(table.layer) != number) {
    return std::nullopt;
  }
  return table;
}

std::string Describe(const v1::TableIdentity& identity) {
  return Describe(identity.name(), identity.version());
}

std::string Describe(absl::string_view name, uint64_t version) {
  return absl::StrCat(name, " version ", version);
}

std::string FormatName(v1::ValueFormat format) {
  const absl::string_view name = v1::ValueFormat_Name(format);
  return absl::AsciiStrToLower(absl::StripPrefix(name, "VALUE_FORMAT_"));
}

std::string TierName(int tier) {
  const std::string& name = v1::Tier_Name(tier);
  return absl::AsciiStrToLower(absl::StripPrefix(name, "TIER_"));
}

}  // namespace engram::ctl
