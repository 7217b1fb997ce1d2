// The hot set as the store keeps it: a restart is no cold start.
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "tests/storage/store_testing.h"

namespace engram::storage {
namespace {

namespace fs = std::filesystem;
using Kind = ReadEngineOptions::Kind;

constexpr uint32_t kGroupSize = 8;
const TestTable kTable;

class TieredStoreHotTest : public StoreTest {
 protected:
  TieredStoreHotTest() { options_.ram_budget_bytes = uint64_t{4} << 20; }

  static void AwaitLoaded(const TieredStore& store) {
    while (StatsOf(store, "t", 1).loading_groups_left > 0) std::this_thread::yield();
  }
  // Of the first table.
  std::string HotFile() const { return data_dir() + "/hot/1"; }

  const std::vector<RowId> ids_ = RandomGroups(kTable, 500, kGroupSize, 5);
};

TEST_P(TieredStoreHotTest, FetchesAfterARestartAreHits) {
  {
    const auto store = Open();
    ExpectRows(store.get(), Import(store.get(), "t", kTable, kGroupSize), kTable, ids_);
  }
  for (int restarts = 0; restarts < 2; ++restarts) {
    const auto store = Open();
    AwaitLoaded(*store);
    EXPECT_EQ(StatsOf(*store, "t", 1).ram.rows, 500 * kGroupSize);
    EXPECT_EQ(ExpectRows(store.get(), *store->OpenTable("t"), kTable, ids_), 500U);
    EXPECT_EQ(StatsOf(*store, "t", 1).cold.reads, 0U);
  }
}

// What a crash leaves: the directory as it is at some moment after a periodic save.
TEST_P(TieredStoreHotTest, ACrashLosesOnePeriodAtMost) {
  options_.hot_set_period = absl::Milliseconds(10);
  auto store = Open();
  ExpectRows(store.get(), Import(store.get(), "t", kTable, kGroupSize), kTable, ids_);
  store = nullptr;
  const uintmax_t all = fs::file_size(HotFile());
  fs::remove(HotFile());
  store = Open();
  ExpectRows(store.get(), *store->OpenTable("t"), kTable, ids_);
  // A period may have ended amid the fetch, and its save have a part.
  const auto all_saved = [&] {
    std::error_code error;
    return fs::file_size(HotFile(), error) == all;
  };
  const absl::Time give_up = absl::Now() + absl::Seconds(200);
  while (!all_saved() && absl::Now() < give_up) std::this_thread::yield();
  const std::string saved = dir_ + "/saved";
  fs::copy_file(HotFile(), saved);
  store = nullptr;
  fs::rename(saved, HotFile());
  store = Open();
  AwaitLoaded(*store);
  EXPECT_EQ(ExpectRows(store.get(), *store->OpenTable("t"), kTable, ids_), 500U);
}

TEST_P(TieredStoreHotTest, ADroppedTableLeavesNoFile) {
  {
    const auto store = Open();
    ExpectRows(store.get(), Import(store.get(), "t", kTable, kGroupSize), kTable, ids_);
  }
  EXPECT_TRUE(fs::exists(HotFile()));
  const auto store = Open();
  ASSERT_TRUE(store->Drop("t", 0).ok());
  EXPECT_TRUE(fs::is_empty(data_dir() + "/hot"));
}

TEST_P(TieredStoreHotTest, AWholeTableHasNoHotSet) {
  options_.ram_budget_bytes = uint64_t{8} << 20;
  options_.whole_tables = {"t"};
  for (int restarts = 0; restarts < 2; ++restarts) {
    const auto store = Open();
    if (restarts == 0) Import(store.get(), "t", kTable, kGroupSize);
    AwaitWhole(*store, "t", 1);
    ExpectRows(store.get(), *store->OpenTable("t"), kTable, ids_);
  }
  EXPECT_FALSE(fs::exists(HotFile()));
}

TEST_P(TieredStoreHotTest, AnImageIsThereUnlessItIsNotWanted) {
  {
    const auto store = Open();
    ExpectRows(store.get(), Import(store.get(), "t", kTable, kGroupSize), kTable, ids_);
  }
  EXPECT_GT(fs::file_size(HotFile() + ".rows"), 500 * kGroupSize * kTable.row_bytes);
  options_.hot_image_bytes_per_s = 0;
  const auto store = Open();
  AwaitLoaded(*store);
  EXPECT_FALSE(fs::exists(HotFile() + ".rows"));
  EXPECT_EQ(ExpectRows(store.get(), *store->OpenTable("t"), kTable, ids_), 500U);
}

TEST_P(TieredStoreHotTest, WhatTheWarmTierHasIsReadFromThere) {
  options_.hot_image_bytes_per_s = 0;
  options_.warm_budget_bytes = uint64_t{16} << 20;
  options_.ram_budget_bytes = uint64_t{1} << 20;
  uint64_t held = 0;
  {
    const auto store = Open();
    const TableRef table = Import(store.get(), "t", kTable, kGroupSize);
    for (int times = 0; times < 20; ++times) ExpectRows(store.get(), table, kTable, ids_);
    held = StatsOf(*store, "t", 1).ram.rows;
    EXPECT_GT(held, 100U * kGroupSize);
  }
  const auto store = Open();
  AwaitLoaded(*store);
  EXPECT_GT(StatsOf(*store, "t", 1).ram.rows, held * 9 / 10);
  ExpectRows(store.get(), *store->OpenTable("t"), kTable, ids_);
}

TEST_P(TieredStoreHotTest, AWarmUpFillsRamAndThenTheWarmTier) {
  options_.warm_budget_bytes = uint64_t{16} << 20;
  options_.ram_budget_bytes = uint64_t{1} << 20;
  const auto store = Open();
  const TableRef table = Import(store.get(), "t", kTable, kGroupSize);
  const std::vector<RowId> ids = RandomGroups(kTable, 2000, kGroupSize, 6);
  const KnownGroups groups = {.row_ids = ids, .pasts = std::vector<GroupPast>(2000, {.uses = 2})};
  const auto counts = store->WarmUp(table, groups, [] { return true; });
  ASSERT_TRUE(counts.ok()) << counts.status();
  EXPECT_GT(counts->admitted, 200U);
  EXPECT_EQ(counts->admitted + counts->refused, 2000U);
  EXPECT_LE(counts->admitted, *store->RoomForGroups(table));
  EXPECT_EQ(StatsOf(*store, "t", 1).ram.rows, counts->admitted * kGroupSize);
  const absl::Time give_up = absl::Now() + absl::Seconds(200);
  while (StatsOf(*store, "t", 1).warm.rows < counts->refused * kGroupSize / 2 &&
         absl::Now() < give_up) {
    std::this_thread::yield();
  }
  EXPECT_EQ(StatsOf(*store, "t", 1).warm.skipped, 0U);
  EXPECT_EQ(ExpectRows(store.get(), table, kTable, ids), counts->admitted);
}

// Otherwise the second table would throw out what the first one was given.
TEST_P(TieredStoreHotTest, AWarmUpLeavesOtherTablesTheirShare) {
  const auto store = Open();
  Import(store.get(), "t", kTable, kGroupSize);
  Import(store.get(), "u", kTable, kGroupSize);
  const std::vector<RowId> ids = RandomGroups(kTable, 4000, kGroupSize, 6);
  const KnownGroups groups = {.row_ids = ids, .pasts = std::vector<GroupPast>(4000, {.uses = 2})};
  for (const char* const name : {"t", "u"}) {
    const auto counts = store->WarmUp(*store->OpenTable(name), groups, [] { return true; });
    ASSERT_TRUE(counts.ok()) << counts.status();
    EXPECT_GT(counts->admitted, 500U) << name;
    EXPECT_GT(counts->refused, 500U) << name;
  }
  EXPECT_EQ(StatsOf(*store, "t", 1).ram.evictions, 0U);
  EXPECT_EQ(StatsOf(*store, "u", 1).ram.evictions, 0U);
}

TEST_P(TieredStoreHotTest, AWarmUpSaysWhatIsWrong) {
  const auto store = Open();
  const TableRef table = Import(store.get(), "t", kTable, kGroupSize);
  const auto go_on = [] { return true; };
  KnownGroups groups = {.row_ids = ids_, .pasts = std::vector<GroupPast>(499, {.uses = 2})};
  EXPECT_TRUE(absl::IsInvalidArgument(store->WarmUp(table, groups, go_on).status()));
  groups.pasts.resize(500, {.uses = 2});
  EXPECT_TRUE(absl::IsCancelled(store->WarmUp(table, groups, [] { return false; }).status()));
  groups.row_ids[77] = static_cast<RowId>(kTable.rows);
  const absl::Status status = store->WarmUp(table, groups, go_on).status();
  EXPECT_TRUE(absl::IsOutOfRange(status));
  EXPECT_NE(status.message().find("index 77"), std::string::npos) << status;
}

INSTANTIATE_TEST_SUITE_P(Engines, TieredStoreHotTest, testing::Values(Kind::kIoUring, Kind::kPread),
                         EngineName);

}  // namespace
}  // namespace engram::storage
