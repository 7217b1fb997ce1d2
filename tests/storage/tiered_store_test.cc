// The store from end to end, with each read engine: what is imported comes out, on every path.
#include "storage/tiered_store.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "tests/storage/import/model_files_testing.h"
#include "tests/storage/store_testing.h"

namespace engram::storage {
namespace {

using Kind = ReadEngineOptions::Kind;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;
constexpr auto kOutOfRange = absl::StatusCode::kOutOfRange;

class TieredStoreTest : public StoreTest {};

TEST_P(TieredStoreTest, ANewStoreIsEmpty) {
  const auto store = Open();
  EXPECT_THAT(store->ListTables(), SizeIs(0));
  EXPECT_THAT(store->OpenTable("t"), IsError(kNotFound, "no table named \"t\""));
  const StoreStats stats = store->Stats();
  EXPECT_EQ(stats.read_engine, GetParam() == Kind::kPread ? "pread" : "io_uring");
  EXPECT_EQ(stats.ram_budget_bytes, 0U);
  EXPECT_EQ(stats.ram_used_bytes, 0U);
}

TEST_P(TieredStoreTest, TablesAreThereAfterReopening) {
  const TestTable table{.key = {.layer = 1, .seed = 1}};
  const TestTable second{.key = {.layer = 1, .seed = 2}};
  std::vector<TableInfo> before;
  {
    const auto store = Open();
    Import(store.get(), "m/layer1", table);
    Import(store.get(), "m/layer1", second, 1, /*stage_only=*/true);
    before = store->ListTables();
  }
  for (int times = 0; times < 2; ++times) {
    const auto store = Open();
    const std::vector<TableInfo> after = store->ListTables();
    ASSERT_THAT(after, SizeIs(2));
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_TRUE(after[i].identity == before[i].identity);
      EXPECT_TRUE(after[i].spec == before[i].spec);
      EXPECT_EQ(after[i].published, before[i].published);
      EXPECT_EQ(after[i].source, before[i].source);
      EXPECT_EQ(after[i].imported_unix_seconds, before[i].imported_unix_seconds);
      EXPECT_EQ(after[i].disk_bytes, before[i].disk_bytes);
      EXPECT_GT(after[i].disk_bytes, after[i].spec.table_bytes());
    }
    EXPECT_TRUE(after[0].published);
    EXPECT_TRUE(after[0].identity.digest == DigestOf(table));
    EXPECT_TRUE(after[1].identity.digest == DigestOf(second));
    ExpectRows(store.get(), *store->OpenTable("m/layer1"), table, AllIds(table));
    ExpectRows(store.get(), *store->OpenTable("m/layer1", 2), second, AllIds(second));
  }
}

// No RAM, some, enough; held whole; group sizes 1 and 8; rows that share pages and rows that do
// not fit one. The tables are several segments long.
TEST_P(TieredStoreTest, BytesAreRightOnEveryPath) {
  const std::vector<TestTable> tables = {
      {.key = {.layer = 1}, .rows = 20'000, .row_bytes = 264},
      {.key = {.layer = 2}, .rows = 20'008, .row_bytes = 160},
      {.key = {.layer = 3}, .rows = 256, .row_bytes = 10'000},
      {.key = {.layer = 4}, .rows = 1, .row_bytes = 16},
  };
  {
    const auto store = Open();
    for (const TestTable& table : tables) {
      Import(store.get(), absl::StrCat("g1/layer", table.key.layer), table, 1);
      Import(store.get(), absl::StrCat("g8/layer", table.key.layer), table, 8);
    }
  }
  for (const uint64_t budget : {uint64_t{0}, 2 * kMiB, 64 * kMiB}) {
    for (const bool whole : {false, true}) {
      options_.ram_budget_bytes = budget;
      options_.whole_tables = whole ? std::vector<std::string>{"*"} : std::vector<std::string>{};
      const auto store = Open();
      for (const TestTable& table : tables) {
        for (const uint32_t group_size : {1, 8}) {
          const auto ref =
              store->OpenTable(absl::StrCat("g", group_size, "/layer", table.key.layer));
          ASSERT_TRUE(ref.ok()) << ref.status();
          std::vector<RowId> all = AllIds(table);
          all.resize((all.size() + group_size - 1) / group_size * group_size, 0);
          for (uint32_t round = 0; round < 2; ++round) {
            ExpectRows(store.get(), *ref, table, all);
            ExpectRows(store.get(), *ref, table, RandomGroups(table, 500, group_size, round));
          }
        }
      }
      EXPECT_LE(store->Stats().ram_used_bytes, budget);
    }
  }
}

TEST_P(TieredStoreTest, TiersAreReported) {
  const TestTable table;
  options_.ram_budget_bytes = 16 * kMiB;
  const auto store = Open();
  const TableRef ref = Import(store.get(), "t", table, 8);
  const std::vector<RowId> cold = RandomGroups(table, 100, 8, 1);
  EXPECT_EQ(ExpectRows(store.get(), ref, table, cold), 0U);
  EXPECT_EQ(ExpectRows(store.get(), ref, table, cold), 100U);
  std::vector<RowId> mixed = RandomGroups(table, 1, 8, 2);
  mixed.insert(mixed.end(), cold.begin(), cold.begin() + 8);
  const Fetched fetched = FetchRows(store.get(), ref, mixed);
  EXPECT_THAT(fetched.tiers, ElementsAre(Tier::kCold, Tier::kRam));
  // The same rows in another order are another group.
  std::vector<RowId> turned(cold.begin(), cold.begin() + 8);
  std::reverse(turned.begin(), turned.end());
  EXPECT_THAT(FetchRows(store.get(), ref, turned).tiers, ElementsAre(Tier::kCold));
  const TableStats stats = StatsOf(*store, "t", 1);
  EXPECT_EQ(stats.groups, 203U);
  EXPECT_EQ(stats.ram.hits, 101U);
  EXPECT_EQ(stats.cold.hits, 102U);
  EXPECT_TRUE(stats.published);
}

TEST_P(TieredStoreTest, RowsOfABatchAreReadOnce) {
  const TestTable table;
  const auto store = Open();
  const TableRef ref = Import(store.get(), "t", table);
  ExpectRows(store.get(), ref, table, AllIds(table));  // indexes are loaded now
  const TierStats before = StatsOf(*store, "t", 1).cold;
  // Rows 0, 7 and 14 lie in page 0, row 15 in page 1.
  ExpectRows(store.get(), ref, table, {15, 7, 7, 0, 15, 7, 14, 0});
  const TierStats after = StatsOf(*store, "t", 1).cold;
  EXPECT_EQ(after.reads - before.reads, 2U);
  EXPECT_EQ(after.bytes_read - before.bytes_read, 2U * 4096);
  EXPECT_EQ(after.bytes_used - before.bytes_used, 4U * 264);
}

// As the same places come from memory, they count as if the RAM tier had served them.
TEST_P(TieredStoreTest, ARepeatedGroupIsReadForItsFirstPlaceOnly) {
  const TestTable table;
  const auto store = Open();
  const TableRef ref = Import(store.get(), "t", table, 8);
  std::vector<RowId> ids = RandomGroups(table, 50, 8, 1);
  ExpectRows(store.get(), ref, table, ids);
  const TierStats once = StatsOf(*store, "t", 1).cold;
  const std::vector<RowId> again = ids;
  ids.insert(ids.end(), again.begin(), again.end());
  ids.insert(ids.end(), again.begin(), again.begin() + 8);

  EXPECT_EQ(ExpectRows(store.get(), ref, table, ids), 51U);
  for (const bool shared : {false, true}) {
    std::vector<std::byte> rows(ids.size() * table.row_bytes);
    std::vector<Tier> tiers(101);
    absl::Notification done;
    store->Fetch({.table = ref,
                  .row_ids = ids,
                  .rows = absl::MakeSpan(rows),
                  .rows_are_shared = shared,
                  .tiers = absl::MakeSpan(tiers)},
                 [&](const absl::Status& status) {
                   EXPECT_EQ(status, absl::OkStatus());
                   done.Notify();
                 });
    done.WaitForNotification();
    EXPECT_EQ(CheckSelfDescribingRows(table.key, ids, rows, table.row_bytes), absl::OkStatus());
    EXPECT_EQ(std::count(tiers.begin(), tiers.begin() + 50, Tier::kCold), 50);
    EXPECT_EQ(std::count(tiers.begin() + 50, tiers.end(), Tier::kRam), 51);
  }
  const TableStats stats = StatsOf(*store, "t", 1);
  EXPECT_EQ(stats.cold.hits, 200U);
  EXPECT_EQ(stats.ram.hits, 153U);
  EXPECT_EQ(stats.cold.bytes_used, 4 * once.bytes_used);
}

TEST_P(TieredStoreTest, BadFetchesAreRefusedAndCounted) {
  const TestTable table{.rows = 100};
  const auto store = Open();
  const TableRef ref = Import(store.get(), "t", table, 8);
  EXPECT_THAT(FetchRows(store.get(), ref, {}).status, IsError(kInvalid, "no row ids given"));
  EXPECT_THAT(FetchRows(store.get(), ref, {1, 2}).status, IsError(kInvalid, "group size"));
  EXPECT_THAT(FetchRows(store.get(), ref, {0, 1, 2, 3, 4, 5, 6, 100}).status,
              IsError(kOutOfRange, "row id 100 at index 7 is not in table \"t\""));
  const std::vector<RowId> ids = {0, 1, 2, 3, 4, 5, 6, 7};
  std::vector<std::byte> rows(8 * 264);
  std::vector<Tier> tiers(2);
  const auto fetch = [&](absl::Span<std::byte> out, absl::Span<Tier> tiers_out) {
    absl::Status result;
    store->Fetch({.table = ref, .row_ids = ids, .rows = out, .tiers = tiers_out},
                 [&](absl::Status status) { result = std::move(status); });
    return result;  // refused before Fetch returned
  };
  EXPECT_THAT(fetch(absl::MakeSpan(rows).first(2111), {}),
              IsError(kInvalid, "the output for rows has 2111 bytes, and 2112 are needed"));
  EXPECT_THAT(fetch(absl::MakeSpan(rows), absl::MakeSpan(tiers)),
              IsError(kInvalid, "the output for tiers has 2 entries, and 1 are needed"));
  EXPECT_EQ(StatsOf(*store, "t", 1).fetch_errors, 5U);
  EXPECT_EQ(StatsOf(*store, "t", 1).fetches, 0U);
}

TEST_P(TieredStoreTest, ALateFetchFailsAndOthersGoOn) {
  const TestTable table;
  const auto store = Open();
  const TableRef ref = Import(store.get(), "t", table);
  EXPECT_THAT(FetchRows(store.get(), ref, {1, 2, 3}, absl::Now() - absl::Seconds(1)).status,
              IsError(absl::StatusCode::kDeadlineExceeded, "the deadline passed"));
  ExpectRows(store.get(), ref, table, {1, 2, 3});
  const Fetched in_time = FetchRows(store.get(), ref, {1}, absl::Now() + absl::Hours(1));
  EXPECT_TRUE(in_time.status.ok()) << in_time.status;
}

TEST_P(TieredStoreTest, ResolveChecksWhatTheCallerPinned) {
  const TestTable table;
  const auto store = Open();
  const TableRef ref = Import(store.get(), "t", table);
  const auto& bytes = ref->identity().digest.bytes;
  const std::string digest(bytes.begin(), bytes.end());
  EXPECT_EQ(*store->Resolve("t", 1, digest), ref);
  EXPECT_EQ(*store->Resolve("t", 0, ""), ref);
  EXPECT_THAT(store->Resolve("t", 1, std::string(16, 'x')),
              IsError(kPrecondition, absl::StrCat("table \"t\" version 1 has digest ",
                                                  DigestOf(table).ToHex(), ", not 7878")));
  EXPECT_THAT(store->Resolve("t", 1, digest.substr(1)), IsError(kPrecondition, "has digest"));
  EXPECT_THAT(store->Resolve("t", 2, digest), IsError(kNotFound, "no version 2"));
  EXPECT_THAT(store->Resolve("u", 1, digest), IsError(kNotFound, "no table named \"u\""));
}

TEST_P(TieredStoreTest, OneStoreADirectory) {
  const auto store = Open();
  EXPECT_THAT(TryOpen(), IsError(kPrecondition, "another process has the database open"));
}

// A reference that outlives its store keeps the directory, and nothing breaks when it goes.
TEST_P(TieredStoreTest, AReferenceMayOutliveTheStore) {
  auto store = Open();
  TableRef ref = Import(store.get(), "t", {});
  store.reset();
  EXPECT_EQ(ref->identity().name, "t");
  EXPECT_THAT(TryOpen(), IsError(kPrecondition, "has the database open"));
  ref.reset();
  store = Open();
  ExpectRows(store.get(), *store->OpenTable("t"), {}, {0, 19'999});
}

TEST_P(TieredStoreTest, OptionsOutOfRangeTouchNothing) {
  for (const int threads : {0, 257, -1}) {
    options_.io_threads = threads;
    EXPECT_THAT(TryOpen(), IsError(kInvalid, absl::StrCat("io_threads is ", threads)));
  }
  options_.io_threads = 1;
  options_.windows = {{"a", absl::Milliseconds(1)}, {"b", -absl::Milliseconds(1)}};
  EXPECT_THAT(TryOpen(), IsError(kInvalid, "the window of table \"b\" is -1ms"));
  options_.windows = {{"*", absl::Milliseconds(1)}};
  EXPECT_THAT(TryOpen(), IsError(kInvalid, "a window: table name may hold"));
  options_.windows.clear();
  options_.ram_shares = {{"a b", 0.7}};
  EXPECT_THAT(TryOpen(), IsError(kInvalid, "a RAM share: table name may hold"));
  options_.ram_shares = {{"a", 0.7}, {"b", 0.4}};
  EXPECT_THAT(TryOpen(), IsError(kInvalid, "the RAM shares of 2 tables add up to 1.1"));
  options_.ram_shares = {{"a", 0}};
  EXPECT_THAT(TryOpen(), IsError(kInvalid, "the RAM share of table \"a\" is 0,"));
  options_.ram_shares = {{"a", 0.7}, {"b", 0.2}, {"c", 0.1}};
  options_.read_engine.queue_depth = 0;
  EXPECT_THAT(TieredStore::Open(options_), IsError(kInvalid, "queue_depth is 0"));
  EXPECT_FALSE(std::filesystem::exists(data_dir()));
}

TEST_P(TieredStoreTest, OpenAsUsersDo) {
  const TestTable table;
  options_.read_engine.kind = GetParam();
  Import(Open().get(), "t", table);
  const auto store = TieredStore::Open(options_);
  ASSERT_TRUE(store.ok()) << store.status();
  ExpectRows(store->get(), *(*store)->OpenTable("t"), table, AllIds(table));
}

TEST_P(TieredStoreTest, OtherDirectoriesAreRefused) {
  std::filesystem::create_directory(data_dir());
  std::ofstream(data_dir() + "/photo.jpg") << "x";
  EXPECT_THAT(TryOpen(), IsError(kPrecondition, "not a data directory of engramd"));
  std::ofstream(data_dir() + "/FORMAT") << R"({"format": "engramd-data", "version": 1000})";
  EXPECT_THAT(TryOpen(), IsError(kPrecondition, "format version 1000"));
  EXPECT_FALSE(std::filesystem::exists(data_dir() + "/db"));
}

TEST_P(TieredStoreTest, ALostDatabaseIsNotReplacedByAnEmptyOne) {
  Import(Open().get(), "t", {});
  std::filesystem::rename(data_dir() + "/db/CURRENT", data_dir() + "/CURRENT");
  EXPECT_THAT(TryOpen(), IsError(kDataLoss, "its file CURRENT is missing"));
  std::filesystem::rename(data_dir() + "/CURRENT", data_dir() + "/db/CURRENT");
  const auto store = Open();
  ExpectRows(store.get(), *store->OpenTable("t"), {}, AllIds({}));
}

INSTANTIATE_TEST_SUITE_P(Engines, TieredStoreTest, testing::Values(Kind::kIoUring, Kind::kPread),
                         EngineName);

class PlainTable final : public Table {
 public:
  PlainTable(uint64_t rows, uint32_t group_size) {
    identity_.name = "m/layer1";
    spec_.rows = rows;
    spec_.row_bytes = 264;
    spec_.group_size = group_size;
  }
  const TableIdentity& identity() const override { return identity_; }
  const TableSpec& spec() const override { return spec_; }

 private:
  TableIdentity identity_;
  TableSpec spec_;
};

TEST(ValidateIdsTest, MessagesNameTheOffence) {
  const PlainTable table(100, 4);
  const auto validate = [&](const std::vector<RowId>& ids) {
    return TieredStore::ValidateIds(table, ids);
  };
  EXPECT_TRUE(validate({0, 99, 0, 50}).ok());
  EXPECT_THAT(validate({}), IsError(kInvalid, "no row ids given for table \"m/layer1\""));
  EXPECT_THAT(validate({1, 2, 3, 4, 5}),
              IsError(kInvalid,
                      "5 row ids are no multiple of the group size of table \"m/layer1\", which "
                      "is 4"));
  EXPECT_THAT(validate({1, 2, 100, 4'000'000'000}),
              IsError(kOutOfRange,
                      "row id 100 at index 2 is not in table \"m/layer1\", which has 100 rows"));
  const RowId id = 0;
  EXPECT_THAT(TieredStore::ValidateIds(table, absl::MakeConstSpan(&id, kMaxRows + 1)),
              IsError(kInvalid, "4294967296 row ids for table \"m/layer1\" are more than"));
}

TEST(ValidateIdsTest, TheLargestTableTakesItsLastRow) {
  const PlainTable table(kMaxRows, 1);
  EXPECT_TRUE(TieredStore::ValidateIds(table, {static_cast<RowId>(kMaxRows - 1)}).ok());
  EXPECT_THAT(TieredStore::ValidateIds(table, {static_cast<RowId>(kMaxRows)}),
              IsError(kOutOfRange, "row id 4294967295 at index 0"));
}

}  // namespace
}  // namespace engram::storage
