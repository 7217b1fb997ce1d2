// Tables of groups of one row, whose RAM is filled and looked into.
#ifndef ENGRAM_TESTS_STORAGE_FETCH_HOT_TESTING_H_
#define ENGRAM_TESTS_STORAGE_FETCH_HOT_TESTING_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "storage/ram/ram_tiers.h"
#include "tests/storage/cold/cold_testing.h"
#include "tests/storage/fetch/fetch_testing.h"

namespace engram::storage::hot_testing {

inline const TableSpec kSpec = OpaqueSpec(10'000, 264);

inline std::shared_ptr<TableVersion> NewTable(
    std::shared_ptr<ColdScript> script = std::make_shared<ColdScript>(),
    uint64_t budget = 8 << 20) {
  return NewTableVersion(kSpec, std::move(script), RamTiers(budget).NewCache(kSpec));
}

inline std::vector<RowId> Ids(RowId first, size_t count) {
  std::vector<RowId> ids(count);
  std::iota(ids.begin(), ids.end(), first);
  return ids;
}

// Brings rows in as a fetch does.
inline void Use(TableVersion& table, const std::vector<RowId>& ids) {
  std::vector<std::byte> rows(ids.size() * kSpec.row_bytes);
  for (size_t i = 0; i < ids.size(); ++i) {
    FillRow(ids[i], absl::MakeSpan(rows).subspan(i * kSpec.row_bytes, kSpec.row_bytes));
  }
  std::vector<uint32_t> groups(ids.size());
  std::iota(groups.begin(), groups.end(), 0U);
  table.ram().Admit(ids, rows.data(), groups);
}

// The rows must be right. Returns how many of them RAM has.
inline size_t CountHits(TableVersion& table, const std::vector<RowId>& ids) {
  std::vector<std::byte> rows(ids.size() * kSpec.row_bytes);
  std::vector<uint32_t> misses;
  table.ram().Lookup(ids, rows.data(), &misses);
  EXPECT_EQ(CountWrongRows(kSpec, ids, rows), misses.size());
  return ids.size() - misses.size();
}

inline void AwaitLoaded(const TableVersion& table) {
  while (table.loading_groups_left() > 0) std::this_thread::yield();
}

}  // namespace engram::storage::hot_testing

#endif  // ENGRAM_TESTS_STORAGE_FETCH_HOT_TESTING_H_
