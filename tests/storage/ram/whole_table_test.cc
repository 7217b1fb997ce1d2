// Goal: rows are served as soon as they are loaded, and not before.
#include "storage/ram/whole_table.h"

#include <gtest/gtest.h>

#include <thread>

#include "absl/status/status.h"
#include "tests/storage/ram/ram_testing.h"

namespace engram::storage {
namespace {

std::vector<RowId> AllIds(const TableSpec& spec) {
  std::vector<RowId> ids(spec.rows);
  for (uint64_t row = 0; row < spec.rows; ++row) ids[row] = static_cast<RowId>(row);
  return ids;
}

std::unique_ptr<WholeTable> MakeTable(const TableSpec& spec) {
  return *WholeTable::Create(spec, std::make_shared<ByteBudget>(1 << 30));
}

TEST(WholeTableTest, ServesEveryRow) {
  for (const uint32_t row_bytes : {1u, 7u, 64u, 264u, 4096u}) {
    const TableSpec spec = MakeSpec(3000, row_bytes, 8);
    const auto table = MakeTable(spec);
    const std::vector<RowId> ids = AllIds(spec);
    table->Load(0, MakeRows(spec, ids));
    EXPECT_EQ(table->loaded_rows(), 3000u);
    EXPECT_EQ(LookUpGroups(*table, spec, Range(0, 500)), 500u);
    EXPECT_EQ(LookUpGroups(*table, spec, {}), 0u);
    EXPECT_EQ(table->Stats().rows, 3000u);
    EXPECT_GE(table->Stats().bytes, spec.table_bytes());
  }
}

TEST(WholeTableTest, AGroupIsAHitOnceAllItsRowsAreLoaded) {
  const TableSpec spec = MakeSpec(100, 16, 2);
  const auto table = MakeTable(spec);
  const std::vector<std::byte> all = MakeRows(spec, AllIds(spec));
  table->Load(0, absl::MakeConstSpan(all).first(40 * 16));
  const std::vector<RowId> ids = {0, 39, 39, 40, 40, 0, 99, 98, 12, 13};
  std::vector<std::byte> rows(ids.size() * 16);
  std::vector<uint32_t> misses;
  table->Lookup(ids, rows.data(), &misses);
  EXPECT_EQ(misses, (std::vector<uint32_t>{1, 2, 3}));
  table->Load(40, absl::MakeConstSpan(all).subspan(40 * 16, 60 * 16));
  misses.clear();
  table->Lookup(ids, rows.data(), &misses);
  EXPECT_TRUE(misses.empty());
  EXPECT_TRUE(rows == MakeRows(spec, ids));
}

TEST(WholeTableTest, AdmitChangesNothing) {
  const TableSpec spec = MakeSpec(100, 16, 2);
  const auto table = MakeTable(spec);
  AdmitGroups(*table, spec, Range(0, 5));
  EXPECT_EQ(LookUpGroups(*table, spec, Range(0, 5)), 0u);
  EXPECT_EQ(table->Stats().admissions, 0u);
}

TEST(WholeTableTest, RefusedWhereItDoesNotFit) {
  const TableSpec spec = MakeSpec(1000, 16, 2);
  auto budget = std::make_shared<ByteBudget>(15999);
  const auto table = WholeTable::Create(spec, budget);
  EXPECT_EQ(table.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(table.status().message().find("16000"), absl::string_view::npos);
  EXPECT_NE(table.status().message().find("15999"), absl::string_view::npos);
  EXPECT_EQ(budget->used_bytes(), 0u);
}

TEST(WholeTableTest, ServesWhileItLoads) {
  const TableSpec spec = MakeSpec(20'000, 24, 4);
  const auto table = MakeTable(spec);
  const std::vector<std::byte> all = MakeRows(spec, AllIds(spec));
  std::thread loader([&] {
    constexpr uint64_t kStep = 100;
    for (uint64_t row = 0; row < spec.rows; row += kStep) {
      table->Load(row, absl::MakeConstSpan(all).subspan(row * 24, kStep * 24));
    }
  });
  size_t hits = 0;
  while (hits < 300) hits = LookUpGroups(*table, spec, Range(0, 300));
  loader.join();
  EXPECT_EQ(table->loaded_rows(), spec.rows);
}

}  // namespace
}  // namespace engram::storage
