// Random operations from several threads, against an oracle: a version's digest tells which seed
// its rows must be made of. Meanwhile all budgets hold at every moment.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/storage/store_testing.h"

namespace engram::storage {
namespace {

using Kind = ReadEngineOptions::Kind;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint32_t kTables = 3;
constexpr uint32_t kSeeds = 3;
constexpr uint32_t kThreads = 4;
constexpr uint32_t kOperations = kSanitized ? 5'000 : 100'000;  // of all threads
constexpr std::array<uint32_t, kTables> kGroupSizes = {1, 8, 3};
constexpr std::array<uint32_t, kTables> kRowBytes = {264, 160, 5'000};
constexpr std::array<uint64_t, kTables> kRows = {6'000, 8'000, 300};

// Numbers of 32 bits, also by type.
class Random {
 public:
  explicit Random(uint32_t seed) : numbers_(seed) {}
  uint32_t operator()() { return static_cast<uint32_t>(numbers_()); }

 private:
  std::mt19937 numbers_;
};

std::string NameOf(uint32_t table) { return absl::StrCat("m/layer", table); }

class TieredStoreRandomTest : public StoreTest {
 protected:
  void Prepare() {
    for (uint32_t table = 0; table < kTables; ++table) {
      for (uint32_t seed = 0; seed < kSeeds; ++seed) {
        const TestTable rows{.key = {.layer = table, .seed = seed},
                             .rows = kRows[table],
                             .row_bytes = kRowBytes[table]};
        paths_[table][seed] = WriteNpy(dir_, rows);
        by_digest_[DigestOf(rows).ToHex()] = rows;
      }
    }
  }

  // One thread's share of the operations.
  void Work(TieredStore* store, uint32_t seed) {
    Random random(seed);
    for (uint32_t i = 0; i < kOperations / kThreads && !HasFailure(); ++i) {
      const auto table = random() % kTables;
      const uint32_t dice = random() % 4'000;
      if (dice < 2) {
        ImportOne(store, table, &random);
      } else if (dice < 8) {
        PublishOne(store, table, &random);
      } else if (dice < 10) {
        DropOne(store, table, &random);
      } else if (dice < 12) {
        WarmUpSome(store, table, &random);
      } else if (dice < 13) {
        Rebalance(store);
      } else {
        FetchOne(store, table, &random);
      }
    }
  }

  // Looks at what RAM and warm tiers take until the threads are done.
  void WatchBudgets(TieredStore* store) {
    while (!done_) {
      const StoreStats stats = store->Stats();
      ASSERT_LE(stats.ram_used_bytes, options_.ram_budget_bytes);
      ASSERT_LE(stats.warm_used_bytes, options_.warm_budget_bytes);
      ASSERT_LE(WarmBytesOnDisk(), options_.warm_budget_bytes);
      for (const TableStats& table : stats.tables) {
        if (table.warm.rows == 0) continue;
        warm_versions_.insert(absl::StrCat(table.identity.name, " v", table.identity.version));
      }
    }
  }

  void ImportOne(TieredStore* store, uint32_t table, Random* random) {
    ImportOptions options;
    options.path = paths_[table][(*random)() % kSeeds];
    options.name = NameOf(table);
    options.group_size = kGroupSizes[table];
    options.stage_only = (*random)() % 2 == 0;
    const auto imported = store->Import(options, GoOn);
    EXPECT_TRUE(imported.ok() || absl::IsAlreadyExists(imported.status())) << imported.status();
    imports_ += imported.ok() ? 1 : 0;
  }

  // A random version that there is, or 0.
  static uint64_t PickVersion(TieredStore* store, uint32_t table, Random* random) {
    std::vector<uint64_t> versions;
    for (const TableInfo& info : store->ListTables()) {
      if (info.identity.name == NameOf(table)) {
        versions.push_back(info.identity.version);
      }
    }
    return versions.empty() ? 0 : versions[(*random)() % versions.size()];
  }

  void PublishOne(TieredStore* store, uint32_t table, Random* random) {
    const uint64_t version = PickVersion(store, table, random);
    const auto published = store->Publish(NameOf(table), version);
    // Another thread may have dropped it.
    EXPECT_TRUE(published.ok() || absl::IsNotFound(published.status())) << published.status();
  }

  void DropOne(TieredStore* store, uint32_t table, Random* random) {
    uint64_t version = PickVersion(store, table, random);
    if (version != 0 && (*random)() % 16 == 0) {
      version = 0;
    }
    const auto dropped = store->Drop(NameOf(table), version);
    EXPECT_TRUE(dropped.ok() || absl::IsNotFound(dropped.status()) ||
                absl::IsFailedPrecondition(dropped.status()))
        << dropped.status();
    drops_ += dropped.ok() ? dropped->size() : 0;
  }

  void FetchOne(TieredStore* store, uint32_t table, Random* random) {
    const bool published = (*random)() % 4 != 0;
    const uint64_t version = published ? 0 : PickVersion(store, table, random);
    const auto ref = store->OpenTable(NameOf(table), version);
    if (!ref.ok()) {
      EXPECT_TRUE(absl::IsNotFound(ref.status())) << ref.status();
      return;
    }
    const auto rows = by_digest_.find((*ref)->identity().digest.ToHex());
    ASSERT_NE(rows, by_digest_.end());
    // Popular groups, of which RAM holds some, and now and then any.
    const uint32_t group_size = kGroupSizes[table];
    const uint32_t range = (*random)() % 64 == 0 ? 1 << 20 : 64;
    std::vector<RowId> ids;
    for (uint32_t group = 0; group < 1 + (*random)() % 6; ++group) {
      const std::vector<RowId> next =
          RandomGroups(rows->second, 1, group_size, (*random)() % range);
      ids.insert(ids.end(), next.begin(), next.end());
    }
    groups_ += ids.size() / group_size;
    if ((*random)() % 8 == 0) {
      EXPECT_TRUE(store->Prefetch(*ref, ids).ok());
    }
    if ((*random)() % 4 == 0) {
      FetchPart(store, *ref, rows->second, ids, random);
    } else {
      ram_groups_ += ExpectRows(store, *ref, rows->second, ids);
    }
  }

  // A fetch that has little time, now and then none, and takes what there is.
  void FetchPart(TieredStore* store, const TableRef& table, const TestTable& expected,
                 const std::vector<RowId>& ids, Random* random) {
    const size_t group_size = table->spec().group_size;
    std::vector<std::byte> rows(ids.size() * expected.row_bytes);
    std::vector<Tier> tiers(ids.size() / group_size);
    std::promise<absl::Status> done;
    store->Fetch({.table = table,
                  .row_ids = ids,
                  .rows = absl::MakeSpan(rows),
                  .rows_are_shared = (*random)() % 2 == 0,
                  .tiers = absl::MakeSpan(tiers),
                  .deadline = absl::Now() + absl::Microseconds((*random)() % 1'000),
                  .partial = true,
                  .bulk = (*random)() % 2 == 0},
                 [&](absl::Status status) { done.set_value(std::move(status)); });
    const absl::Status status = done.get_future().get();
    ASSERT_TRUE(status.ok()) << status;
    const size_t group_bytes = table->spec().group_bytes();
    for (size_t group = 0; group < tiers.size(); ++group) {
      const auto begin = rows.begin() + static_cast<ptrdiff_t>(group * group_bytes);
      const std::vector<std::byte> of_group(begin, begin + static_cast<ptrdiff_t>(group_bytes));
      const auto first = ids.begin() + static_cast<ptrdiff_t>(group * group_size);
      if (tiers[group] == Tier::kAbsent) {
        EXPECT_EQ(of_group, std::vector<std::byte>(group_bytes, kAbsentByte));
        ++absent_;
        continue;
      }
      const absl::Status same = CheckSelfDescribingRows(
          expected.key, std::vector<RowId>(first, first + static_cast<ptrdiff_t>(group_size)),
          of_group, expected.row_bytes);
      EXPECT_TRUE(same.ok()) << same;
    }
  }

  void WarmUpSome(TieredStore* store, uint32_t table, Random* random) {
    const auto ref = store->OpenTable(NameOf(table));
    if (!ref.ok()) return;
    const TestTable& rows = by_digest_.at((*ref)->identity().digest.ToHex());
    const KnownGroups groups = {.row_ids = RandomGroups(rows, 300, kGroupSizes[table], (*random)()),
                                .pasts = std::vector<GroupPast>(300, GroupPast{.uses = 2})};
    const auto counts = store->WarmUp(*ref, groups, [] { return true; });
    // A table held whole has no use for it.
    EXPECT_TRUE(counts.ok() || absl::IsFailedPrecondition(counts.status())) << counts.status();
    warmed_up_ += counts.ok() ? counts->admitted : 0;
  }

  // Too little traffic was seen, or it is cancelled soon.
  static void Rebalance(TieredStore* store) {
    int calls = 0;
    const absl::Status status =
        store->Rebalance([&](const RebalancePlan&, const RebalanceState&) { return ++calls < 2; });
    EXPECT_TRUE(status.ok() || absl::IsFailedPrecondition(status) || absl::IsCancelled(status))
        << status;
  }

  std::array<std::array<std::string, kSeeds>, kTables> paths_;
  std::map<std::string, TestTable> by_digest_;
  std::atomic<uint64_t> imports_ = 0;
  std::atomic<uint64_t> drops_ = 0;
  std::atomic<uint64_t> groups_ = 0;
  std::atomic<uint64_t> ram_groups_ = 0;
  std::atomic<uint64_t> absent_ = 0;  // of these groups
  std::atomic<uint64_t> warmed_up_ = 0;
  std::atomic<bool> done_ = false;
  std::set<std::string> warm_versions_;  // that had something in a warm tier
};

TEST_P(TieredStoreRandomTest, EveryFetchMatchesTheOracle) {
  const uint32_t seed = TestSeed();
  Prepare();
  options_.ram_budget_bytes = 2 * kMiB;  // one table whole, and a part of the others
  options_.warm_budget_bytes = 6 * kMiB;
  options_.hot_set_period = absl::Milliseconds(200);
  options_.whole_tables = {NameOf(2)};
  database_.max_open_files = 80;
  auto store = Open();
  Random random(seed);
  for (uint32_t table = 0; table < kTables; ++table) {
    ImportOne(store.get(), table, &random);
    ASSERT_TRUE(store->Publish(NameOf(table), 1).ok());
  }
  WarmUpSome(store.get(), 0, &random);  // where operations are few, none of them need bring any
  std::thread watcher([&] { WatchBudgets(store.get()); });
  {
    std::vector<std::jthread> threads;
    for (uint32_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] { Work(store.get(), seed * kThreads + t); });
    }
  }
  done_ = true;
  watcher.join();
  std::printf(
      "%lu imports, %lu drops, %lu groups, %lu of them from RAM, %lu absent, %lu warmed up, %zu "
      "warm "
      "tiers\n",
      imports_.load(), drops_.load(), groups_.load(), ram_groups_.load(), absent_.load(),
      warmed_up_.load(), warm_versions_.size());
  EXPECT_GT(warmed_up_, 0U);
  EXPECT_FALSE(warm_versions_.empty());
  EXPECT_GT(groups_, kOperations / 2);
  EXPECT_GT(ram_groups_, 0U);
  EXPECT_LT(ram_groups_, groups_);
  EXPECT_LE(store->Stats().ram_used_bytes, options_.ram_budget_bytes);

  // What is there at the end is whole, and there again after reopening.
  const std::vector<TableInfo> tables = store->ListTables();
  store.reset();
  store = Open();
  const std::vector<TableInfo> reopened = store->ListTables();
  ASSERT_EQ(reopened.size(), tables.size());
  for (size_t i = 0; i < tables.size(); ++i) {
    const TableIdentity& identity = tables[i].identity;
    EXPECT_TRUE(reopened[i].identity == identity);
    EXPECT_EQ(reopened[i].published, tables[i].published);
    const absl::Status verified =
        store->Verify(*store->OpenTable(identity.name, identity.version), GoOnVerifying);
    EXPECT_TRUE(verified.ok()) << verified;
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, TieredStoreRandomTest,
                         testing::Values(Kind::kIoUring, Kind::kPread), EngineName);

}  // namespace
}  // namespace engram::storage
