#include "storage/catalog/catalog_record.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace engram::storage {
namespace {

using nlohmann::json;

json SpecToJson(const TableSpec& spec) {
  return {{"rows", spec.rows},
          {"row_bytes", spec.row_bytes},
          {"value_format", static_cast<uint32_t>(spec.value_format)},
          {"values_per_row", spec.values_per_row},
          {"scale_block", spec.scale_block},
          {"scalar_scale", spec.scalar_scale},
          {"group_size", spec.group_size},
          {"orders", spec.orders}};
}

// The two below throw json::exception on a value that is missing or of the wrong type.
TableSpec SpecFromJson(const json& value) {
  TableSpec spec;
  value.at("rows").get_to(spec.rows);
  value.at("row_bytes").get_to(spec.row_bytes);
  spec.value_format = static_cast<ValueFormat>(value.at("value_format").get<uint32_t>());
  value.at("values_per_row").get_to(spec.values_per_row);
  value.at("scale_block").get_to(spec.scale_block);
  value.at("scalar_scale").get_to(spec.scalar_scale);
  value.at("group_size").get_to(spec.group_size);
  value.at("orders").get_to(spec.orders);
  return spec;
}

absl::StatusOr<CatalogEntry> EntryFromJson(const std::string& table, uint64_t published,
                                           const json& value) {
  CatalogEntry entry;
  value.at("uid").get_to(entry.uid);
  TableInfo& info = entry.info;
  info.identity.name = table;
  value.at("version").get_to(info.identity.version);
  const std::string digest = absl::HexStringToBytes(value.at("digest").get<std::string>());
  info.spec = SpecFromJson(value.at("spec"));
  value.at("imported_unix_seconds").get_to(info.imported_unix_seconds);
  value.at("source").get_to(info.source);
  info.published = info.identity.version == published;
  if (digest.size() != info.identity.digest.bytes.size() || entry.uid == 0 ||
      info.identity.version == 0) {
    return absl::DataLossError("digest, uid or version out of range");
  }
  std::copy(digest.begin(), digest.end(), info.identity.digest.bytes.begin());
  if (absl::Status status = ValidateTableSpec(info.spec); !status.ok()) {
    return status;
  }
  return entry;
}

absl::StatusOr<CatalogRecord> RecordFromJson(const std::string& table, const json& value) {
  CatalogRecord record;
  value.at("last_version").get_to(record.last_version);
  value.at("published_version").get_to(record.published_version);
  bool published_found = record.published_version == 0;
  for (const json& item : value.at("versions")) {
    auto entry = EntryFromJson(table, record.published_version, item);
    if (!entry.ok()) {
      return entry.status();
    }
    if (entry->info.identity.version > record.last_version) {
      return absl::DataLossError("a version is above last_version");
    }
    if (!record.entries.empty() &&
        entry->info.identity.version <= record.entries.back().info.identity.version) {
      return absl::DataLossError("the versions do not ascend");
    }
    published_found |= entry->info.published;
    record.entries.push_back(*std::move(entry));
  }
  if (!published_found) {
    return absl::DataLossError("the published version is not listed");
  }
  return record;
}

json RecordToJson(const CatalogRecord& record) {
  json versions = json::array();
  for (const CatalogEntry& entry : record.entries) {
    const TableInfo& info = entry.info;
    versions.push_back({{"uid", entry.uid},
                        {"version", info.identity.version},
                        {"digest", info.identity.digest.ToHex()},
                        {"spec", SpecToJson(info.spec)},
                        {"imported_unix_seconds", info.imported_unix_seconds},
                        {"source", info.source}});
  }
  return {{"last_version", record.last_version},
          {"published_version", record.published_version},
          {"versions", std::move(versions)}};
}

}  // namespace

std::string FormatCatalogRecord(const CatalogRecord& record) {
  // Sources are paths, which need not be UTF-8.
  return RecordToJson(record).dump(-1, ' ', false, json::error_handler_t::replace);
}

absl::StatusOr<CatalogRecord> ParseCatalogRecord(const std::string& table,
                                                 const std::string& text) {
  const auto damaged = [&](absl::string_view why) {
    return absl::DataLossError(
        absl::StrCat("the catalog's record of table \"", table, "\" is damaged: ", why));
  };
  const json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) {
    return damaged("not JSON");
  }
  try {
    auto record = RecordFromJson(table, value);
    if (!record.ok()) {
      return damaged(record.status().message());
    }
    // Catches what the conversions above let pass: numbers cut off, digits that are none.
    if (RecordToJson(*record) != value) {
      return damaged("a value is out of range, or unknown");
    }
    return record;
  } catch (const json::exception& error) {
    return damaged(error.what());
  }
}

}  // namespace engram::storage
