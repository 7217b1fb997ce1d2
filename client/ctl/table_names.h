// Names and words for what tables are made of.
#ifndef ENGRAM_CLIENT_CTL_TABLE_NAMES_H_
#define ENGRAM_CLIENT_CTL_TABLE_NAMES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "engram/v1/engram.pb.h"

namespace engram::ctl {

// "<prefix>/layer<N>", as the import of a checkpoint names tables.
std::string LayerTableName(absl::string_view prefix, uint32_t layer);

// The prefix and layer of such a name.
struct LayerTable {
  std::string prefix;
  uint32_t layer = 0;
};
std::optional<LayerTable> ParseLayerTableName(absl::string_view name);

// "deepseek-v4.1-flash/layer14 version 2"
std::string Describe(const v1::TableIdentity& identity);
std::string Describe(absl::string_view name, uint64_t version);

// "fp8_e4m3_e8m0", "bf16", ...
std::string FormatName(v1::ValueFormat format);

// "ram", "warm", "cold"
std::string TierName(int tier);

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_TABLE_NAMES_H_
