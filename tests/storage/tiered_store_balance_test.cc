// Goal: the store measures what its tables stall, and divides RAM between them.
#include <gmock/gmock.h>

#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "tests/storage/import/model_files_testing.h"
#include "tests/storage/store_testing.h"

namespace engram::storage {
namespace {

using testing::SizeIs;

constexpr uint64_t kMiB = uint64_t{1} << 20;
const TestTable kTable;  // 5 MiB

class TieredStoreBalanceTest : public StoreTest {};

TEST_P(TieredStoreBalanceTest, StallIsWhatFetchesTakeBeyondTheWindow) {
  options_.ram_budget_bytes = 8 * kMiB;
  options_.windows = {{"early", absl::Hours(1)}};
  options_.ram_shares = {{"late", 0.25}};
  const auto store = Open();
  const TableRef early = Import(store.get(), "early", kTable);
  const TableRef late = Import(store.get(), "late", kTable);
  const std::vector<RowId> ids = RandomGroups(kTable, 100, 1, 1);
  for (const TableRef& table : {early, late}) {
    for (int times = 0; times < 2; ++times) ExpectRows(store.get(), table, kTable, ids);
  }
  const PlacementStats hidden = StatsOf(*store, "early", 1).placement;
  EXPECT_EQ(hidden.window_us, 3.6e9);
  EXPECT_EQ(hidden.disk_fetches, 1U);  // the second time RAM had them
  EXPECT_EQ(hidden.stall_us, 0);
  EXPECT_EQ(hidden.fixed_share, 0);
  EXPECT_EQ(hidden.entitled_bytes, 6 * kMiB);
  const PlacementStats seen = StatsOf(*store, "late", 1).placement;
  EXPECT_EQ(seen.disk_fetches, 1U);
  EXPECT_GT(seen.stall_us, 0);
  EXPECT_EQ(seen.fixed_share, 0.25);
  EXPECT_EQ(seen.entitled_bytes, 2 * kMiB);
}

TEST_P(TieredStoreBalanceTest, ARebalancingNeedsTraffic) {
  options_.ram_budget_bytes = 8 * kMiB;
  const auto store = Open();
  const TableRef table = Import(store.get(), "t", kTable);
  EXPECT_THAT(store->PlanRebalance(),
              IsError(absl::StatusCode::kFailedPrecondition, "no table was fetched from"));
  ExpectRows(store.get(), table, kTable, RandomGroups(kTable, 100, 1, 1));
  EXPECT_THAT(store->PlanRebalance(),
              IsError(absl::StatusCode::kFailedPrecondition, "t version 1 has 0 of 10000"));
  EXPECT_THAT(store->Rebalance([](const RebalancePlan&, const RebalanceState&) { return true; }),
              IsError(absl::StatusCode::kFailedPrecondition, "too little traffic"));
}

// The usage report is made every ten seconds of real time.
TEST_P(TieredStoreBalanceTest, ARebalancingMovesMemoryUnderTraffic) {
  if (GetParam() == ReadEngineOptions::Kind::kIoUring) GTEST_SKIP() << "one engine is enough";
  options_.ram_budget_bytes = 4 * kMiB;
  const auto store = Open();
  const TableRef used = Import(store.get(), "used", kTable);
  const TableRef other = Import(store.get(), "other", kTable);
  uint32_t seed = 0;
  const auto fetch = [&](int fetches) {
    for (int i = 0; i < fetches; ++i) {
      ExpectRows(store.get(), used, kTable, RandomGroups(kTable, 400, 1, ++seed));
    }
    ExpectRows(store.get(), other, kTable, RandomGroups(kTable, 100, 1, ++seed));
  };
  const absl::Time give_up = absl::Now() + absl::Minutes(1);
  while (!store->PlanRebalance().ok() && absl::Now() < give_up) fetch(10);
  const auto plan = store->PlanRebalance();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(plan->tables, SizeIs(2));
  EXPECT_EQ(plan->budget_bytes, 4 * kMiB);
  // Another one is refused, and one that is cancelled ends.
  int calls = 0;
  const absl::Status cancelled = store->Rebalance([&](const RebalancePlan&,
                                                      const RebalanceState& state) {
    ++calls;
    EXPECT_LE(state.bytes_moved, state.bytes_total);
    EXPECT_THAT(store->Rebalance([](const RebalancePlan&, const RebalanceState&) { return true; }),
                IsError(absl::StatusCode::kFailedPrecondition, "already"));
    return false;
  });
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(cancelled.ok() || absl::IsCancelled(cancelled)) << cancelled;
  std::thread reader([&] { fetch(50); });
  const absl::Status moved =
      store->Rebalance([](const RebalancePlan&, const RebalanceState&) { return true; });
  reader.join();
  EXPECT_TRUE(moved.ok()) << moved;
  EXPECT_LE(store->Stats().ram_used_bytes, 4 * kMiB);
}

INSTANTIATE_TEST_SUITE_P(Engines, TieredStoreBalanceTest,
                         testing::Values(ReadEngineOptions::Kind::kIoUring,
                                         ReadEngineOptions::Kind::kPread),
                         EngineName);

}  // namespace
}  // namespace engram::storage
