// Failing and damaged disks under the store: an error that names the row, never a wrong byte, and
// no harm to others.
#include <gmock/gmock.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "tests/storage/import/model_files_testing.h"
#include "tests/storage/store_testing.h"

namespace engram::storage {
namespace {

using Kind = ReadEngineOptions::Kind;

constexpr uint64_t kMiB = uint64_t{1} << 20;
const TestTable kTable;

class TieredStoreFaultTest : public StoreTest {
 protected:
  // Many fetches by several threads while one of 32 reads goes wrong as `damage` has it.
  void FetchUnderFaults(const std::function<void(ReadRequest* request, uint64_t draw)>& damage);

  // Changes the catalog behind the store's back.
  void EditCatalog(const std::string& key,
                   const std::vector<std::pair<std::string, std::string>>& replacements) {
    const auto database = OpenDatabase(data_dir() + "/db", engine_.get(), {});
    ASSERT_TRUE(database.ok()) << database.status();
    const auto records = (*database)->ReadCatalog(key);
    ASSERT_TRUE(records.ok() && records->size() == 1);
    const CatalogWrite write{key, absl::StrReplaceAll(records->front().second, replacements)};
    ASSERT_NE(*write.value, records->front().second);
    ASSERT_TRUE((*database)->WriteCatalog({&write, 1}).ok());
  }
};

TEST_P(TieredStoreFaultTest, AFlippedByteOnDiskLosesItsPageOnly) {
  options_.ram_budget_bytes = 16 * kMiB;
  const auto store = Open();
  const TableRef ref = Import(store.get(), "t", kTable);
  const RowId row = 15 * 700 + 4;
  FlipByte(FindTestRow(data_dir(), kTable, row));
  for (int times = 0; times < 2; ++times) {  // what is damaged does not get into RAM
    EXPECT_THAT(FetchRows(store.get(), ref, {3, row, 19'999}).status,
                IsError(kDataLoss, absl::StrCat("row ", row, ":")));
  }
  EXPECT_EQ(StatsOf(*store, "t", 1).fetch_errors, 2U);
  ExpectRows(store.get(), ref, kTable, {15 * 700 - 1, 15 * 701, 0, 19'999});

  uint64_t rows_done = 0;
  EXPECT_THAT(store->Verify(ref,
                            [&](uint64_t rows) {
                              rows_done = rows;
                              return true;
                            }),
              IsError(kDataLoss, "row 10500:"));
  EXPECT_LT(rows_done, row);
}

TEST_P(TieredStoreFaultTest, AWholeTableWithADamagedPageIsServedUpToIt) {
  const RowId row = 15 * 700;
  Import(Open().get(), "t", kTable);
  FlipByte(FindTestRow(data_dir(), kTable, row));
  options_.ram_budget_bytes = 16 * kMiB;
  options_.whole_tables = {"t"};
  const auto store = Open();
  while (StatsOf(*store, "t", 1).ram.rows < row) {
    std::this_thread::yield();
  }
  const TableRef ref = *store->OpenTable("t");
  EXPECT_EQ(ExpectRows(store.get(), ref, kTable, {0, row - 1, row + 15, 19'999}), 2U);
  EXPECT_THAT(FetchRows(store.get(), ref, {row}).status,
              IsError(kDataLoss, absl::StrCat("row ", row, ":")));
}

TEST_P(TieredStoreFaultTest, VerifyComparesTheDigest) {
  Import(Open().get(), "t", kTable);
  const std::string digest = DigestOf(kTable).ToHex();
  const std::string other = absl::StrReplaceAll(digest, {{digest.substr(0, 4), "beef"}});
  EditCatalog("table/t", {{digest, other}});
  const auto store = Open();
  EXPECT_THAT(store->Verify(*store->OpenTable("t"), GoOnVerifying),
              IsError(kDataLoss, absl::StrCat("table \"t\" version 1 has digest ", digest,
                                              " on disk, and had ", other)));
}

TEST_P(TieredStoreFaultTest, VerifyIsCancelled) {
  std::atomic<bool> slow = false;  // slow enough for progress to be due
  const auto store = Open([&](ReadRequest* /*request*/) {
    if (slow) {
      absl::SleepFor(absl::Milliseconds(100));
    }
  });
  const TableRef ref = Import(store.get(), "t", kTable);
  slow = true;
  uint64_t calls = 0;
  EXPECT_THAT(store->Verify(ref,
                            [&](uint64_t rows) {
                              EXPECT_GT(rows, 0U);
                              EXPECT_LE(rows, ref->spec().rows);
                              ++calls;
                              return false;
                            }),
              IsError(absl::StatusCode::kCancelled, ""));
  EXPECT_EQ(calls, 1U);
}

TEST_P(TieredStoreFaultTest, DamagedCatalogsAreNamed) {
  Import(Open().get(), "m/layer1", kTable);
  EditCatalog("table/m/layer1", {{"\"rows\":20000", "\"rows\":0"}});
  EXPECT_THAT(TryOpen(), IsError(kDataLoss, "the catalog's record of table \"m/layer1\""));
  EditCatalog("table/m/layer1", {{"\"rows\":0", "\"rows\":20000"}, {"\"uid\":1", "\"uid\":7"}});
  EditCatalog("next_uid", {{"2", "8"}});
  EXPECT_THAT(TryOpen(), IsError(kDataLoss, "table \"m/layer1\" version 1: the database has no"));
}

void TieredStoreFaultTest::FetchUnderFaults(
    const std::function<void(ReadRequest* request, uint64_t draw)>& damage) {
  std::atomic<bool> active = false;
  std::atomic<uint64_t> reads = 0;
  options_.ram_budget_bytes = kMiB;
  const auto store = Open([&](ReadRequest* request) {
    const uint64_t draw = (reads++ * 0x9E3779B97F4A7C15u) >> 40;
    if (active && draw % 32 == 0) {
      damage(request, draw / 32);
    }
  });
  const TableRef ref = Import(store.get(), "t", kTable, 8);
  ExpectRows(store.get(), ref, kTable, AllIds(kTable));
  active = true;
  std::atomic<int> failed = 0;
  std::atomic<int> served = 0;
  {
    std::vector<std::jthread> readers;
    for (uint32_t r = 0; r < 3; ++r) {
      readers.emplace_back([&, r] {
        for (uint32_t i = 0; i < (kSanitized ? 40 : 200); ++i) {
          const std::vector<RowId> ids = RandomGroups(kTable, 12, 8, r * 1000 + i);
          const Fetched fetched = FetchRows(store.get(), ref, ids);
          if (fetched.status.ok()) {
            const auto same = CheckSelfDescribingRows(kTable.key, ids, fetched.rows, 264);
            EXPECT_TRUE(same.ok()) << same;
            ++served;
          } else {
            EXPECT_THAT(fetched.status, IsError(kDataLoss, "row "));
            ++failed;
          }
        }
      });
    }
  }
  EXPECT_GT(failed, 0);
  EXPECT_GT(served, 0);
  active = false;
  ExpectRows(store.get(), ref, kTable, AllIds(kTable));  // RAM took nothing wrong
  for (uint32_t i = 0; i < 20; ++i) {
    ExpectRows(store.get(), ref, kTable, RandomGroups(kTable, 12, 8, i));
  }
  EXPECT_TRUE(store->Verify(ref, GoOnVerifying).ok());
}

TEST_P(TieredStoreFaultTest, FailingReads) {
  FetchUnderFaults([](ReadRequest* request, uint64_t /*draw*/) {
    request->error = EIO;
    request->bytes_read = 0;
  });
}

TEST_P(TieredStoreFaultTest, FlippedBits) {
  FetchUnderFaults([](ReadRequest* request, uint64_t draw) {
    if (request->bytes_read > 0) {
      request->buffer[draw % std::min<size_t>(request->bytes_read, 3900)] ^= std::byte{1};
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Engines, TieredStoreFaultTest,
                         testing::Values(Kind::kIoUring, Kind::kPread), EngineName);

}  // namespace
}  // namespace engram::storage
