// The warm tier as the store uses it: it serves what RAM has no room for, whatever happens to it.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "tests/storage/store_testing.h"

namespace engram::storage {
namespace {

using Kind = ReadEngineOptions::Kind;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint32_t kGroupSize = 8;
constexpr size_t kGroups = 800;  // more than RAM has room for
const TestTable kTable;
const TestTable kSecond = {.key = {.layer = 1, .seed = 2}};

class TieredStoreWarmTest : public StoreTest {
 protected:
  TieredStoreWarmTest() {
    options_.ram_budget_bytes = kMiB;
    options_.warm_budget_bytes = 16 * kMiB;
    options_.hot_set_period = absl::ZeroDuration();  // RAM would have the groups after a restart
  }

  std::string warm_dir() const { return data_dir() + "/warm"; }

  // Fetches the groups again and again until the warm tier holds at least so many.
  void FetchUntilWarm(TieredStore* store, const TableRef& table, size_t groups,
                      const TestTable& expected = kTable) {
    const absl::Time give_up = absl::Now() + absl::Seconds(200);
    while (WarmOf(*store, table).rows < groups * kGroupSize) {
      ASSERT_LT(absl::Now(), give_up) << WarmOf(*store, table).rows;
      ExpectRows(store, table, expected, ids_);
      EXPECT_LE(WarmBytesOnDisk(), options_.warm_budget_bytes);
      EXPECT_LE(store->Stats().ram_used_bytes, options_.ram_budget_bytes);
    }
  }

  static TierStats WarmOf(const TieredStore& store, const TableRef& table) {
    return StatsOf(store, table->identity().name, table->identity().version).warm;
  }

  // Expects that a fetch reads some groups from the warm tier, and all of them right.
  void ExpectWarmHits(TieredStore* store, const TableRef& table, const TestTable& expected) {
    const uint64_t before = WarmOf(*store, table).hits;
    ExpectRows(store, table, expected, ids_);
    EXPECT_GT(WarmOf(*store, table).hits, before);
  }

  // The same where other traffic may have had the tier for itself: fetches until it is so.
  void AwaitWarmHits(TieredStore* store, const TableRef& table, const TestTable& expected) {
    const uint64_t before = WarmOf(*store, table).hits;
    const absl::Time give_up = absl::Now() + absl::Seconds(100);
    while (WarmOf(*store, table).hits == before) {
      ASSERT_LT(absl::Now(), give_up);
      ExpectRows(store, table, expected, ids_);
    }
  }

  void AwaitWarmBytesOnDisk(uint64_t most) {
    const absl::Time give_up = absl::Now() + absl::Seconds(100);
    while (WarmBytesOnDisk() > most) {
      ASSERT_LT(absl::Now(), give_up);
      absl::SleepFor(absl::Milliseconds(5));
    }
  }

  const std::vector<RowId> ids_ = RandomGroups(kTable, kGroups, kGroupSize, 5);
};

TEST_P(TieredStoreWarmTest, ServesGroupsThatRamHasNoRoomFor) {
  const auto store = Open();
  const TableRef table = Import(store.get(), "t", kTable, kGroupSize);
  FetchUntilWarm(store.get(), table, kGroups * 4 / 10);
  const TableStats before = StatsOf(*store, "t", 1);
  const Fetched fetched = FetchRows(store.get(), table, ids_);
  ASSERT_TRUE(fetched.status.ok());
  const TableStats after = StatsOf(*store, "t", 1);
  const auto warm =
      static_cast<uint64_t>(std::count(fetched.tiers.begin(), fetched.tiers.end(), Tier::kWarm));
  EXPECT_GT(warm, kGroups / 10);
  EXPECT_EQ(after.warm.hits - before.warm.hits, warm);
  EXPECT_EQ(after.warm.reads - before.warm.reads, warm);  // one a group
  EXPECT_EQ(after.ram.hits + after.warm.hits + after.cold.hits, after.groups);
  EXPECT_LE(WarmBytesOnDisk(), options_.warm_budget_bytes);
  EXPECT_LE(store->Stats().ram_used_bytes, options_.ram_budget_bytes);
  EXPECT_GT(store->Stats().warm_used_bytes, 0u);
}

TEST_P(TieredStoreWarmTest, IsThereAfterARestart) {
  {
    const auto store = Open();
    FetchUntilWarm(store.get(), Import(store.get(), "t", kTable, kGroupSize), kGroups / 4);
  }
  const auto store = Open();
  const absl::Time give_up = absl::Now() + absl::Seconds(100);
  while (StatsOf(*store, "t", 1).warm.rows < kGroups / 4 * kGroupSize) {
    ASSERT_LT(absl::Now(), give_up);
    absl::SleepFor(absl::Milliseconds(5));
  }
  ExpectRows(store.get(), *store->OpenTable("t"), kTable, ids_);
  EXPECT_GT(StatsOf(*store, "t", 1).warm.hits, kGroups / 10);
}

TEST_P(TieredStoreWarmTest, DamageOfTheWarmTierHurtsNobody) {
  {
    const auto store = Open();
    FetchUntilWarm(store.get(), Import(store.get(), "t", kTable, kGroupSize), kGroups / 4);
  }
  int damaged = 0;
  for (const auto& file : std::filesystem::directory_iterator(warm_dir())) {
    if (file.path().extension() != ".sst") continue;
    // Every other page of one file in two; the other one loses its end.
    const uint64_t size = file.file_size();
    if (damaged++ % 2 == 1) {
      std::filesystem::resize_file(file.path(), size / 2);
      continue;
    }
    for (uint64_t at = 100; at < size; at += 8192) FlipByte({file.path().string(), at});
  }
  ASSERT_GT(damaged, 1);
  for (int times = 0; times < 3; ++times) {
    const auto store = Open();
    const TableRef table = *store->OpenTable("t");
    for (int fetch = 0; fetch < 5; ++fetch) ExpectRows(store.get(), table, kTable, ids_);
  }
}

TEST_P(TieredStoreWarmTest, AForeignFileInAWarmFilesPlaceIsNotServed) {
  TestTable other;
  other.key.seed = 9;
  {
    const auto store = Open();
    FetchUntilWarm(store.get(), Import(store.get(), "t", kTable, kGroupSize), kGroups / 4);
  }
  std::vector<std::filesystem::path> files;
  for (const auto& file : std::filesystem::directory_iterator(warm_dir())) {
    if (file.path().extension() == ".sst") files.push_back(file.path());
  }
  ASSERT_GT(files.size(), 1u);
  std::filesystem::rename(files[0], warm_dir() + "/moved");
  std::filesystem::rename(files[1], files[0]);
  std::filesystem::rename(warm_dir() + "/moved", files[1]);
  const auto store = Open();
  for (int fetch = 0; fetch < 5; ++fetch) {
    ExpectRows(store.get(), *store->OpenTable("t"), kTable, ids_);
  }
}

TEST_P(TieredStoreWarmTest, FewOpenFilesCostSpeedOnly) {
  database_.max_open_files = 40;  // for twice as many segments
  const auto store = Open();
  const TableRef table = Import(store.get(), "t", kTable, kGroupSize);
  FetchUntilWarm(store.get(), table, kGroups / 4);
  for (int fetch = 0; fetch < 3; ++fetch) ExpectRows(store.get(), table, kTable, ids_);
  EXPECT_GT(StatsOf(*store, "t", 1).warm.hits, 0u);
}

TEST_P(TieredStoreWarmTest, DroppingATableFreesItsDisk) {
  const auto store = Open();
  TableRef table = Import(store.get(), "t", kTable, kGroupSize);
  FetchUntilWarm(store.get(), table, kGroups / 4);
  EXPECT_GT(WarmBytesOnDisk(), 0u);
  table.reset();
  ASSERT_TRUE(store->Drop("t", 0).ok());
  AwaitWarmBytesOnDisk(0);
}

TEST_P(TieredStoreWarmTest, ADroppedVersionThatIsHeldOpenFreesItsDisk) {
  const auto store = Open();
  const TableRef table = Import(store.get(), "t", kTable, kGroupSize);
  FetchUntilWarm(store.get(), table, kGroups / 4);
  ASSERT_TRUE(store->Drop("t", 0).ok());
  AwaitWarmBytesOnDisk(0);
  ExpectRows(store.get(), table, kTable, ids_);
}

TEST_P(TieredStoreWarmTest, AVersionThatIsPublishedNoMoreGivesItsDiskUp) {
  const auto store = Open();
  const TableRef old_version = Import(store.get(), "t", kTable, kGroupSize);
  FetchUntilWarm(store.get(), old_version, kGroups / 4);
  ASSERT_GT(WarmBytesOnDisk(), 0u);
  const TableRef new_version = Import(store.get(), "t", kSecond, kGroupSize);
  AwaitWarmBytesOnDisk(0);
  EXPECT_EQ(WarmOf(*store, old_version).bytes, 0u);
  EXPECT_EQ(WarmOf(*store, old_version).rows, 0u);
  ExpectRows(store.get(), old_version, kTable, ids_);
  ExpectRows(store.get(), new_version, kSecond, ids_);
}

TEST_P(TieredStoreWarmTest, AModelUpdateTakesTheTierOver) {
  const auto store = Open();
  TableRef old_version = Import(store.get(), "t", kTable, kGroupSize);
  FetchUntilWarm(store.get(), old_version, kGroups / 4);
  const TableRef new_version = Import(store.get(), "t", kSecond, kGroupSize, /*stage_only=*/true);
  ExpectRows(store.get(), new_version, kSecond, ids_);
  EXPECT_GT(WarmOf(*store, old_version).bytes, 0u);
  ASSERT_TRUE(store->Publish("t", 2).ok());
  old_version.reset();
  ASSERT_TRUE(store->Drop("t", 1).ok());
  FetchUntilWarm(store.get(), new_version, kGroups * 4 / 10, kSecond);
  ExpectWarmHits(store.get(), new_version, kSecond);
}

TEST_P(TieredStoreWarmTest, AVersionThatIsPublishedAgainGetsATierAgain) {
  const auto store = Open();
  const TableRef first = Import(store.get(), "t", kTable, kGroupSize);
  const TableRef second = Import(store.get(), "t", kSecond, kGroupSize, /*stage_only=*/true);
  FetchUntilWarm(store.get(), first, kGroups / 4);
  const uint64_t admissions = WarmOf(*store, first).admissions;
  ASSERT_TRUE(store->Publish("t", 2).ok());
  FetchUntilWarm(store.get(), second, kGroups / 4, kSecond);
  ASSERT_TRUE(store->Publish("t", 1).ok());
  FetchUntilWarm(store.get(), first, kGroups * 4 / 10);
  ExpectWarmHits(store.get(), first, kTable);
  EXPECT_GT(WarmOf(*store, first).admissions, admissions);
  // At once there and back, whatever was done by then.
  for (const uint64_t version : {2, 1, 2}) ASSERT_TRUE(store->Publish("t", version).ok());
  FetchUntilWarm(store.get(), second, kGroups / 4, kSecond);
  EXPECT_EQ(WarmOf(*store, first).bytes, 0u);
}

TEST_P(TieredStoreWarmTest, ATableThatIsImportedLaterSharesTheBudget) {
  options_.warm_budget_bytes = 2 * kMiB;  // too little for half of the groups
  const auto store = Open();
  const TableRef table = Import(store.get(), "t", kTable, kGroupSize);
  FetchUntilWarm(store.get(), table, kGroups * 4 / 10);
  EXPECT_GT(WarmBytesOnDisk(), options_.warm_budget_bytes / 2);
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (uint32_t thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&, thread] {
      for (uint32_t round = 0; !stop.load(); ++round) {
        ExpectRows(store.get(), table, kTable,
                   RandomGroups(kTable, 300, kGroupSize, 1 + (thread * 7 + round) % 11));
      }
    });
  }
  const TableRef later = Import(store.get(), "later", kSecond, kGroupSize);
  FetchUntilWarm(store.get(), later, kGroups / 8, kSecond);
  FetchUntilWarm(store.get(), table, kGroups / 8);
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  AwaitWarmHits(store.get(), table, kTable);
  EXPECT_LE(WarmOf(*store, table).bytes, options_.warm_budget_bytes / 2);
  EXPECT_LE(WarmOf(*store, later).bytes, options_.warm_budget_bytes / 2);
  // And what it leaves the first one has again.
  ASSERT_TRUE(store->Drop("later", 0).ok());
  FetchUntilWarm(store.get(), table, kGroups * 4 / 10);
}

TEST_P(TieredStoreWarmTest, WithoutABudgetNothingIsLeftOfIt) {
  {
    const auto store = Open();
    FetchUntilWarm(store.get(), Import(store.get(), "t", kTable, kGroupSize), kGroups / 4);
  }
  options_.warm_budget_bytes = 0;
  const auto store = Open();
  EXPECT_FALSE(std::filesystem::exists(warm_dir()));
  ExpectRows(store.get(), *store->OpenTable("t"), kTable, ids_);
  EXPECT_EQ(StatsOf(*store, "t", 1).warm.rows, 0u);
}

// Fetches, writes and drops beside each other: every byte right, budgets kept at all times.
TEST_P(TieredStoreWarmTest, BudgetsHoldWhileEverythingMoves) {
  options_.warm_budget_bytes = 3 * kMiB;  // too little for all groups
  const auto store = Open();
  const TableRef table = Import(store.get(), "t", kTable, kGroupSize);
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (uint32_t thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&, thread] {
      for (uint32_t round = 0; round < (kSanitized ? 15U : 60U); ++round) {
        ExpectRows(store.get(), table, kTable,
                   RandomGroups(kTable, 300, kGroupSize, 1 + (thread * 7 + round) % 11));
      }
      stop.store(true);
    });
  }
  while (!stop.load()) {
    EXPECT_LE(WarmBytesOnDisk(), options_.warm_budget_bytes);
    EXPECT_LE(store->Stats().ram_used_bytes, options_.ram_budget_bytes);
    absl::SleepFor(absl::Milliseconds(2));
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(StatsOf(*store, "t", 1).warm.admissions, 0u);
}

INSTANTIATE_TEST_SUITE_P(Engines, TieredStoreWarmTest,
                         testing::Values(Kind::kIoUring, Kind::kPread), EngineName);

}  // namespace
}  // namespace engram::storage
