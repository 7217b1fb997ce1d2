#include "storage/fetch/whole_table_loader.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "storage/ram/ram_tiers.h"
#include "tests/storage/cold/cold_testing.h"
#include "tests/storage/fetch/fetch_testing.h"

namespace engram::storage {
namespace {

const TableSpec kSpec = OpaqueSpec(1'000, 264);  // 67 pages of 15 rows

struct WholeVersion {
  std::shared_ptr<TableVersion> table;
  WholeTable* whole;
};

WholeVersion NewWholeVersion(std::shared_ptr<ColdScript> script) {
  auto whole = RamTiers(1 << 20).NewWholeTable(kSpec);
  EXPECT_TRUE(whole.ok()) << whole.status();
  WholeTable* const tier = whole->get();
  return {NewTableVersion(kSpec, std::move(script), *std::move(whole)), tier};
}

// Looks all rows up; the hits must be right. Returns how many there are.
size_t CountHits(TableVersion& table) {
  std::vector<RowId> ids(kSpec.rows);
  std::iota(ids.begin(), ids.end(), 0U);
  std::vector<std::byte> rows(kSpec.table_bytes());
  std::vector<uint32_t> misses;
  table.ram().Lookup(ids, rows.data(), &misses);
  EXPECT_EQ(CountWrongRows(kSpec, ids, rows), misses.size());
  return ids.size() - misses.size();
}

void AwaitLoaded(const WholeTable& whole) {
  while (whole.loaded_rows() < kSpec.rows) {
    std::this_thread::yield();
  }
}

TEST(WholeTableLoaderTest, LoadsOneTableAfterAnother) {
  WholeTableLoader loader;
  std::vector<WholeVersion> versions;
  for (int i = 0; i < 3; ++i) {
    versions.push_back(NewWholeVersion(std::make_shared<ColdScript>()));
    loader.Load(versions.back().table, versions.back().whole);
  }
  for (const WholeVersion& version : versions) {
    AwaitLoaded(*version.whole);
    EXPECT_EQ(CountHits(*version.table), kSpec.rows);
  }
}

TEST(WholeTableLoaderTest, RowsAreServedAsTheyArrive) {
  const auto script = std::make_shared<ColdScript>();
  absl::Notification half;
  absl::Notification go_on;
  script->on_page = [&](uint64_t first_row) {
    if (first_row == 495) {
      half.Notify();
      go_on.WaitForNotification();
    }
    return absl::OkStatus();
  };
  WholeTableLoader loader;
  const WholeVersion version = NewWholeVersion(script);
  loader.Load(version.table, version.whole);
  half.WaitForNotification();
  EXPECT_EQ(CountHits(*version.table), 495U);
  go_on.Notify();
  AwaitLoaded(*version.whole);
  EXPECT_EQ(CountHits(*version.table), kSpec.rows);
}

TEST(WholeTableLoaderTest, AReadErrorLeavesTheRestToTheDisk) {
  const auto script = std::make_shared<ColdScript>();
  script->on_page = [](uint64_t first_row) {
    return first_row == 300 ? absl::DataLossError("row 300: bad") : absl::OkStatus();
  };
  WholeTableLoader loader;
  const WholeVersion damaged = NewWholeVersion(script);
  const WholeVersion sound = NewWholeVersion(std::make_shared<ColdScript>());
  loader.Load(damaged.table, damaged.whole);
  loader.Load(sound.table, sound.whole);
  AwaitLoaded(*sound.whole);
  EXPECT_EQ(CountHits(*damaged.table), 300U);
}

TEST(WholeTableLoaderTest, ATableThatNobodyHoldsIsGivenUp) {
  const auto script = std::make_shared<ColdScript>();
  absl::Notification started;
  absl::Notification go_on;
  std::atomic<uint64_t> last_page = 0;
  script->on_page = [&](uint64_t first_row) {
    last_page = first_row;
    if (first_row == 0) {
      started.Notify();
      go_on.WaitForNotification();
    }
    return absl::OkStatus();
  };
  WholeTableLoader loader;
  WholeVersion dropped = NewWholeVersion(script);
  loader.Load(dropped.table, dropped.whole);
  const auto gone_script = std::make_shared<ColdScript>();
  WholeVersion gone = NewWholeVersion(gone_script);
  loader.Load(gone.table, gone.whole);
  const WholeVersion kept = NewWholeVersion(std::make_shared<ColdScript>());
  loader.Load(kept.table, kept.whole);
  started.WaitForNotification();
  dropped.table.reset();
  gone.table.reset();
  EXPECT_EQ(gone_script->tables, 0);
  EXPECT_EQ(script->tables, 1);  // the loader's
  go_on.Notify();
  AwaitLoaded(*kept.whole);
  EXPECT_EQ(last_page, 0U);
  EXPECT_EQ(script->tables, 0);
}

TEST(WholeTableLoaderTest, TheDestructorStopsInTheMiddleOfATable) {
  const auto script = std::make_shared<ColdScript>();
  absl::Notification started;
  absl::Notification stopping;
  std::atomic<bool> waited = false;
  script->on_page = [&](uint64_t first_row) {
    if (first_row == 0) {
      started.Notify();
      stopping.WaitForNotification();
    }
    return absl::OkStatus();
  };
  const WholeVersion version = NewWholeVersion(script);
  const WholeVersion next = NewWholeVersion(std::make_shared<ColdScript>());
  {
    WholeTableLoader loader;
    loader.Load(version.table, version.whole);
    loader.Load(next.table, next.whole);
    started.WaitForNotification();
    // Lets the page go on once the destructor is, in all likelihood, under way.
    std::thread([&] {
      absl::SleepFor(absl::Milliseconds(50));
      waited = true;
      stopping.Notify();
    }).detach();
  }
  EXPECT_TRUE(waited);  // the page at hand was finished
  EXPECT_LT(version.whole->loaded_rows(), kSpec.rows);
  EXPECT_EQ(next.whole->loaded_rows(), 0U);
}

}  // namespace
}  // namespace engram::storage
