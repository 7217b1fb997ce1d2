// The catalog's record of one table, as JSON: see storage/README.md.
#ifndef ENGRAM_STORAGE_CATALOG_CATALOG_RECORD_H_
#define ENGRAM_STORAGE_CATALOG_CATALOG_RECORD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/catalog/catalog.h"

namespace engram::storage {

struct CatalogRecord {
  uint64_t last_version = 0;
  uint64_t published_version = 0;  // 0: none
  std::vector<CatalogEntry> entries{};
};

std::string FormatCatalogRecord(const CatalogRecord& record);

//   DATA_LOSS  not a record, or its values are out of range
absl::StatusOr<CatalogRecord> ParseCatalogRecord(const std::string& table, const std::string& text);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_CATALOG_CATALOG_RECORD_H_
