// Kills a process whose traffic moves groups between the tiers, again and again: whatever the warm
// tier and the record of what RAM held are left like, the store opens and every row is right.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "storage/tiered_store_impl.h"
#include "tests/crash/crash_testing.h"
#include "tests/storage/store_testing.h"

namespace engram::storage {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint32_t kGroupSize = 8;
constexpr int kKills = kSanitized ? 6 : 30;
constexpr int kMostMilliseconds = 400;  // of a victim's life, once its store is open
const TestTable kTable;                 // 5 MiB

// So small that groups go round through RAM and segments of the warm tier all the time.
StoreOptions Options(const std::string& dir) {
  return {.data_dir = dir + "/data",
          .ram_budget_bytes = kMiB,
          .warm_budget_bytes = 2 * kMiB,
          .io_threads = 2};
}

std::unique_ptr<TieredStore> OpenStore(const std::string& dir) {
  auto store =
      TieredStoreImpl::OpenWith(Options(dir), *NewReadEngine({}), {.segment_bytes = 1 << 20});
  EXPECT_TRUE(store.ok()) << store.status();
  return store.ok() ? *std::move(store) : nullptr;
}

int FetchOnAndOn(const std::string& dir) {
  const auto store = OpenStore(dir);
  if (store == nullptr) return 1;
  const auto table = store->OpenTable("t");
  if (!table.ok()) return 2;
  Acknowledge("open");
  for (uint32_t seed = 0; !testing::Test::HasFailure(); ++seed) {
    ExpectRows(store.get(), *table, kTable, RandomGroups(kTable, 400, kGroupSize, seed % 5));
  }
  return 3;  // a wrong byte
}

const RegisterVictim kVictim("traffic", FetchOnAndOn);

TEST(TrafficCrashTest, KilledAtAnyMomentEveryRowIsRight) {
  const std::string dir = TestDir();
  {
    const auto store = OpenStore(dir);
    ASSERT_NE(store, nullptr);
    ImportOptions options;
    options.path = WriteNpy(dir, kTable);
    options.name = "t";
    options.group_size = kGroupSize;
    ASSERT_TRUE(store->Import(options, GoOn).ok());
  }
  std::mt19937 random(TestSeed());
  uint64_t warm_rows = 0;
  for (int i = 0; i < kKills && !testing::Test::HasFailure(); ++i) {
    SCOPED_TRACE(absl::StrCat("kill ", i));
    RunVictim("traffic", dir, absl::Milliseconds(static_cast<int>(random() % kMostMilliseconds)),
              i % 4 != 0);
    if (i % 2 != 0) continue;  // sometimes a victim finds what another left
    const auto store = OpenStore(dir);
    ASSERT_NE(store, nullptr);
    const auto table = store->OpenTable("t");
    ASSERT_TRUE(table.ok()) << table.status();
    for (uint32_t seed = 0; seed < 5; ++seed) {
      ExpectRows(store.get(), *table, kTable, RandomGroups(kTable, 400, kGroupSize, seed));
    }
    const StoreStats stats = store->Stats();
    warm_rows += stats.tables[0].warm.rows;
    EXPECT_LE(stats.ram_used_bytes, stats.ram_budget_bytes);
    EXPECT_LE(stats.warm_used_bytes, stats.warm_budget_bytes);
  }
  std::printf("%d victims left %d rows in the warm tier\n", kKills, static_cast<int>(warm_rows));
  EXPECT_GT(warm_rows, 0U);
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace engram::storage
