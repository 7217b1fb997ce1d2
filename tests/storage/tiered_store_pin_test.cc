// Groups that stay in RAM, as the store keeps them.
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/storage/store_testing.h"

namespace engram::storage {
namespace {

using Kind = ReadEngineOptions::Kind;

constexpr uint32_t kGroupSize = 8;
constexpr size_t kPinned = 60;
const TestTable kTable;

constexpr auto kGoOn = [] { return true; };

class TieredStorePinTest : public StoreTest {
 protected:
  TieredStorePinTest() { options_.ram_budget_bytes = uint64_t{1} << 20; }

  static void AwaitLoaded(const TieredStore& store) {
    while (StatsOf(store, "t", 1).loading_groups_left > 0) std::this_thread::yield();
  }
  // More groups than there is room for, each some times, so that they are worth more than others.
  void Flood(TieredStore* store, const TableRef& table) {
    for (uint32_t seed = 100; seed < 103; ++seed) {
      const std::vector<RowId> others = RandomGroups(kTable, 600, kGroupSize, seed);
      for (int times = 0; times < 6; ++times) ExpectRows(store, table, kTable, others);
    }
  }
  static PinCounts Pin(TieredStore* store, const TableRef& table, absl::Span<const RowId> ids) {
    const auto counts = store->Pin(table, ids, kGoOn);
    EXPECT_TRUE(counts.ok()) << counts.status();
    return counts.value_or(PinCounts());
  }

  const std::vector<RowId> ids_ = RandomGroups(kTable, kPinned, kGroupSize, 5);
};

TEST_P(TieredStorePinTest, StaysInRamUntilItIsUnpinned) {
  {
    const auto store = Open();
    const TableRef table = Import(store.get(), "t", kTable, kGroupSize);
    Flood(store.get(), table);
    const PinCounts counts = Pin(store.get(), table, ids_);
    EXPECT_EQ(counts.changed + counts.unchanged, kPinned);
    EXPECT_EQ(counts.pinned, kPinned);
    EXPECT_TRUE(counts.saved);
    EXPECT_EQ(Pin(store.get(), table, ids_).unchanged, kPinned);
    Flood(store.get(), table);
    EXPECT_EQ(ExpectRows(store.get(), table, kTable, ids_), kPinned);
    EXPECT_EQ(StatsOf(*store, "t", 1).ram.pinned, kPinned);
  }
  const auto store = Open();
  AwaitLoaded(*store);
  const TableRef table = *store->OpenTable("t");
  EXPECT_EQ(StatsOf(*store, "t", 1).ram.pinned, kPinned);
  Flood(store.get(), table);
  EXPECT_EQ(ExpectRows(store.get(), table, kTable, ids_), kPinned);
  const auto some = store->Unpin(table, absl::MakeConstSpan(ids_).first(kGroupSize), kGoOn);
  ASSERT_TRUE(some.ok()) << some.status();
  EXPECT_EQ(some->changed, 1U);
  const auto all = store->Unpin(table, {}, kGoOn);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->changed, kPinned - 1);
  EXPECT_EQ(all->pinned, 0U);
  for (int times = 0; times < 2; ++times) Flood(store.get(), table);
  EXPECT_LT(ExpectRows(store.get(), table, kTable, ids_), kPinned / 2);
}

// What a crash leaves right after the call, with no periodic save in sight.
TEST_P(TieredStorePinTest, IsOnDiskWhenTheCallReturns) {
  options_.hot_set_period = absl::Hours(1);
  auto store = Open();
  TableRef table = Import(store.get(), "t", kTable, kGroupSize);
  Pin(store.get(), table, ids_);
  const std::string saved = dir_ + "/saved";
  std::filesystem::copy_file(data_dir() + "/hot/1", saved);
  ASSERT_TRUE(store->Unpin(table, {}, kGoOn).ok());
  table = nullptr;
  store = nullptr;
  std::filesystem::rename(saved, data_dir() + "/hot/1");
  store = Open();
  AwaitLoaded(*store);
  EXPECT_EQ(StatsOf(*store, "t", 1).ram.pinned, kPinned);
}

TEST_P(TieredStorePinTest, WithoutSavesItLastsForTheProcess) {
  options_.hot_set_period = absl::ZeroDuration();
  {
    const auto store = Open();
    const TableRef table = Import(store.get(), "t", kTable, kGroupSize);
    EXPECT_FALSE(Pin(store.get(), table, ids_).saved);
    EXPECT_EQ(StatsOf(*store, "t", 1).ram.pinned, kPinned);
  }
  EXPECT_EQ(StatsOf(*Open(), "t", 1).ram.pinned, 0U);
}

TEST_P(TieredStorePinTest, TooManyPinNothing) {
  const auto store = Open();
  const TableRef table = Import(store.get(), "t", kTable, kGroupSize);
  Pin(store.get(), table, ids_);
  const uint64_t limit = *store->PinLimit(table);
  const std::vector<RowId> many = RandomGroups(kTable, limit, kGroupSize, 6);
  const absl::Status status = store->Pin(table, many, kGoOn).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_NE(status.message().find(std::to_string(limit)), std::string::npos) << status;
  EXPECT_NE(status.message().find(std::to_string(limit + kPinned)), std::string::npos) << status;
  EXPECT_EQ(StatsOf(*store, "t", 1).ram.pinned, kPinned);
  // The same groups again and again are no more than they are.
  std::vector<RowId> repeated;
  while (repeated.size() < 2 * limit * kGroupSize) {
    repeated.insert(repeated.end(), ids_.begin(), ids_.end());
  }
  EXPECT_EQ(Pin(store.get(), table, repeated).unchanged, kPinned);
}

TEST_P(TieredStorePinTest, SaysWhatIsWrong) {
  options_.whole_tables = {"whole"};
  options_.ram_budget_bytes = uint64_t{16} << 20;
  const auto store = Open();
  const TableRef table = Import(store.get(), "t", kTable, kGroupSize);
  EXPECT_TRUE(absl::IsInvalidArgument(store->Pin(table, {}, kGoOn).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(store->Pin(table, {1, 2, 3}, kGoOn).status()));
  EXPECT_TRUE(absl::IsCancelled(store->Pin(table, ids_, [] { return false; }).status()));
  EXPECT_EQ(StatsOf(*store, "t", 1).ram.pinned, 0U);
  std::vector<RowId> wrong = ids_;
  wrong[77] = static_cast<RowId>(kTable.rows);
  for (const absl::Status& status :
       {store->Pin(table, wrong, kGoOn).status(), store->Unpin(table, wrong, kGoOn).status()}) {
    EXPECT_TRUE(absl::IsOutOfRange(status));
    EXPECT_NE(status.message().find("index 77"), std::string::npos) << status;
  }
  const TableRef whole = Import(store.get(), "whole", kTable, kGroupSize);
  AwaitWhole(*store, "whole", 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(store->Pin(whole, ids_, kGoOn).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(store->Unpin(whole, {}, kGoOn).status()));
}

INSTANTIATE_TEST_SUITE_P(Engines, TieredStorePinTest, testing::Values(Kind::kIoUring, Kind::kPread),
                         EngineName);

}  // namespace
}  // namespace engram::storage
