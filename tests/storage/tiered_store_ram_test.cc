// The RAM tier as the store uses it: whole tables, and a budget that holds at every moment.
#include <gmock/gmock.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "tests/storage/store_testing.h"

namespace engram::storage {
namespace {

using Kind = ReadEngineOptions::Kind;

constexpr uint64_t kMiB = uint64_t{1} << 20;
const TestTable kTable;  // 5 MiB

class TieredStoreRamTest : public StoreTest {};

TEST_P(TieredStoreRamTest, AWholeTableIsLoadedAndServedFromRam) {
  options_.ram_budget_bytes = 12 * kMiB;
  options_.whole_tables = {"whole"};
  for (int times = 0; times < 2; ++times) {
    const auto store = Open();
    if (times == 0) {
      Import(store.get(), "whole", kTable);
      Import(store.get(), "other", kTable);
    }
    AwaitWhole(*store, "whole", 1);
    const TableRef ref = *store->OpenTable("whole");
    EXPECT_EQ(ExpectRows(store.get(), ref, kTable, AllIds(kTable)), kTable.rows);
    const TableStats stats = StatsOf(*store, "whole", 1);
    EXPECT_EQ(stats.cold.hits, 0U);
    EXPECT_GE(stats.ram.bytes, kTable.rows * kTable.row_bytes);
    EXPECT_EQ(StatsOf(*store, "other", 1).ram.rows, 0U);
  }
}

TEST_P(TieredStoreRamTest, AWholeTableThatDoesNotFitIsCached) {
  options_.ram_budget_bytes = 4 * kMiB;
  options_.whole_tables = {"*"};
  const auto store = Open();
  const TableRef ref = Import(store.get(), "t", kTable);
  const std::vector<RowId> ids = RandomGroups(kTable, 200, 1, 1);
  ExpectRows(store.get(), ref, kTable, ids);
  EXPECT_EQ(ExpectRows(store.get(), ref, kTable, ids), 200U);
  EXPECT_LT(StatsOf(*store, "t", 1).ram.bytes, 4 * kMiB);
}

// Where there is room for one version, the published one has it.
TEST_P(TieredStoreRamTest, PublishedVersionsAreHeldWholeFirst) {
  const TestTable second{.key = {.seed = 2}};
  {
    const auto store = Open();
    Import(store.get(), "t", kTable);
    Import(store.get(), "t", second);
  }
  options_.ram_budget_bytes = 8 * kMiB;
  options_.whole_tables = {"t"};
  const auto store = Open();
  AwaitWhole(*store, "t", 2);
  EXPECT_EQ(ExpectRows(store.get(), *store->OpenTable("t"), second, AllIds(second)), second.rows);
  ExpectRows(store.get(), *store->OpenTable("t", 1), kTable, RandomGroups(kTable, 500, 1, 1));
}

TEST_P(TieredStoreRamTest, ADroppedTableGivesItsRamBack) {
  options_.ram_budget_bytes = 8 * kMiB;
  options_.whole_tables = {"*"};
  const auto store = Open();
  Import(store.get(), "a", kTable);
  AwaitWhole(*store, "a", 1);
  ASSERT_TRUE(store->Drop("a", 0).ok());
  // The loader lets go of the table when it has said that it is loaded.
  while (store->Stats().ram_used_bytes > 0) {
    std::this_thread::yield();
  }
  Import(store.get(), "b", kTable);
  AwaitWhole(*store, "b", 1);
}

// A thread polls while others fill the caches of three tables, import and drop.
TEST_P(TieredStoreRamTest, TheBudgetIsNeverExceeded) {
  options_.ram_budget_bytes = 7 * kMiB;
  options_.whole_tables = {"whole"};
  const auto store = Open();
  std::vector<TableRef> refs;
  for (const char* name : {"a", "b", "c"}) {
    refs.push_back(Import(store.get(), name, kTable, 8));
  }
  std::atomic<bool> stop = false;
  uint64_t most = 0;
  std::thread poller([&] {
    while (!stop) {
      most = std::max(most, store->Stats().ram_used_bytes);
    }
  });
  {
    std::vector<std::jthread> readers;
    for (uint32_t r = 0; r < 3; ++r) {
      readers.emplace_back([&, r] {
        for (uint32_t i = 0; i < (kSanitized ? 30 : 150); ++i) {
          ExpectRows(store.get(), refs[(r + i / 10) % 3], kTable,
                     RandomGroups(kTable, 64, 8, r * 1000 + i));
        }
      });
    }
    for (int i = 0; i < 3; ++i) {
      Import(store.get(), "whole", kTable);
      EXPECT_TRUE(store->Drop("whole", 0).ok());
    }
  }
  stop = true;
  poller.join();
  EXPECT_LE(most, options_.ram_budget_bytes);
  EXPECT_GT(most, options_.ram_budget_bytes / 2);
}

INSTANTIATE_TEST_SUITE_P(Engines, TieredStoreRamTest, testing::Values(Kind::kIoUring, Kind::kPread),
                         EngineName);

}  // namespace
}  // namespace engram::storage
