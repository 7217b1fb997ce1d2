// Damaged and failing disks: an error that names the row, never a wrong byte, and no harm to other
// rows.
#include <gmock/gmock.h>

#include <atomic>
#include <cerrno>
#include <filesystem>

#include "storage/cold/rocksdb_status.h"
#include "tests/storage/cold/cold_testing.h"

namespace engram::storage {
namespace {

using Kind = ReadEngineOptions::Kind;
using testing::AllOf;
using testing::HasSubstr;

const TableSpec kSpec = OpaqueSpec(20'000, 264);

class DamageTest : public EngineTest {
 protected:
  // Row `row` cannot be read, and the message says so; `fine` can.
  static void ExpectOnlyLost(ColdTable* table, RowId row, const std::vector<RowId>& fine) {
    size_t wrong = 0;
    const auto status = ReadAndCheck(table, kSpec, {row}, &wrong);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(status.message(),
                AllOf(HasSubstr("row " + std::to_string(row) + ":"), HasSubstr(".sst")));
    for (const RowId other : fine) {
      EXPECT_TRUE(ReadAndCheck(table, kSpec, {other}, &wrong).ok()) << other;
      EXPECT_EQ(wrong, 0U) << other;
    }
    // Among others, the message names it as well.
    std::vector<RowId> ids = RandomIds(row - row % 15, 100, 1);
    ids.push_back(row);
    const auto among = ReadAndCheck(table, kSpec, ids, &wrong);
    EXPECT_EQ(among.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(among.message(), HasSubstr("row " + std::to_string(row) + ":"));
  }
};

TEST_P(DamageTest, AFlippedByteLosesItsPageOnly) {
  const auto database = OpenDb({.segment_bytes = 1 << 20});
  const auto table = WriteTable(database.get(), kUid, kSpec);
  const RowId row = 15 * 700 + 4;
  FlipByte(FindRow(dir_, kSpec, row));
  ExpectOnlyLost(table.get(), row, {0, 15 * 699, 15 * 701, 19'999});
  ExpectOnlyLost(table.get(), row - 4, {15 * 700 - 1});

  uint64_t scanned = 0;
  const auto scan = table->Scan([&](uint64_t first_row, absl::Span<const std::byte>) {
    scanned = first_row;
    return true;
  });
  EXPECT_EQ(scan.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(scan.message(), HasSubstr("row 10500:"));
  EXPECT_LT(scanned, row);
}

TEST_P(DamageTest, AFlippedByteIsFoundAfterReopening) {
  const RowId row = 18;
  WriteTable(OpenDb({.segment_bytes = 1 << 20}).get(), kUid, kSpec);
  FlipByte(FindRow(dir_, kSpec, row));
  const auto database = OpenDb();
  auto table = database->OpenTable(kUid, kSpec);
  ASSERT_TRUE(table.ok()) << table.status();
  ExpectOnlyLost(table->get(), row, {14, 30, 19'999});
}

TEST_P(DamageTest, ATruncatedFileLosesWhatIsCutOff) {
  const auto database = OpenDb({.segment_bytes = 1 << 20});
  const auto table = WriteTable(database.get(), kUid, kSpec);
  size_t wrong = 0;
  ASSERT_TRUE(ReadAndCheck(table.get(), kSpec, RandomIds(kSpec.rows, 3000, 1), &wrong).ok());
  const RowId row = 15 * 300;
  const RowPlace place = FindRow(dir_, kSpec, row);
  std::filesystem::resize_file(place.path, place.offset + 100);
  ExpectOnlyLost(table.get(), row, {15 * 299, 15 * 600});
}

TEST_P(DamageTest, AFileCutOffBeforeTheStartIsNamed) {
  WriteTable(OpenDb({.segment_bytes = 1 << 20}).get(), kUid, kSpec);
  const RowPlace place = FindRow(dir_, kSpec, 15 * 300);
  std::filesystem::resize_file(place.path, place.offset + 100);
  const auto database = OpenDatabase(dir_, engine_.get(), {});
  EXPECT_EQ(database.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(database.status().message(),
              HasSubstr(std::filesystem::path(place.path).filename().string()));
}

// One of `rate` reads goes wrong while `active`. Deterministic but for the order of threads.
struct Faults {
  uint64_t rate = 32;
  std::atomic<bool> active = false;
  std::atomic<uint64_t> reads = 0;
  std::atomic<uint64_t> injected = 0;

  bool Strikes() {
    const uint64_t draw = (reads++ * 0x9E3779B97F4A7C15u) >> 40;
    const bool strikes = active && draw % rate == 0;
    injected += strikes ? 1 : 0;
    return strikes;
  }
};

class FaultTest : public DamageTest {
 protected:
  // Reads many batches through an engine with `fault`: every batch is right or DATA_LOSS.
  void ReadUnderFaults(Faults* faults, ReadFault fault) {
    const auto faulty = NewFaultyEngine(engine_.get(), std::move(fault));
    const auto database = OpenDatabase(dir_, faulty.get(), {.segment_bytes = 1 << 20});
    ASSERT_TRUE(database.ok()) << database.status();
    const auto table = WriteTable(database->get(), kUid, kSpec);
    size_t wrong = 0;
    ASSERT_TRUE(ReadAndCheck(table.get(), kSpec, RandomIds(kSpec.rows, 3000, 1), &wrong).ok());
    faults->active = true;
    int failed = 0;
    constexpr int kBatches = 400;
    for (uint32_t batch = 0; batch < kBatches; ++batch) {
      const auto status =
          ReadAndCheck(table.get(), kSpec, RandomIds(kSpec.rows, 100, batch), &wrong);
      EXPECT_TRUE(status.ok() || status.code() == absl::StatusCode::kDataLoss) << status;
      EXPECT_TRUE(!status.ok() || wrong == 0) << "batch " << batch;
      failed += status.ok() ? 0 : 1;
    }
    EXPECT_GT(faults->injected, uint64_t{kBatches});
    EXPECT_GT(failed, 0);         // a fault that strikes twice is an error,
    EXPECT_LT(failed, kBatches);  // one that strikes once is not
    faults->active = false;
    EXPECT_TRUE(ReadAndCheck(table.get(), kSpec, RandomIds(kSpec.rows, 3000, 2), &wrong).ok());
    EXPECT_EQ(wrong, 0U);
  }
};

TEST_P(FaultTest, FailingReads) {
  Faults faults;
  ReadUnderFaults(&faults, [&faults](ReadRequest* request) {
    if (faults.Strikes()) {
      request->error = EIO;
      request->bytes_read = 0;
    }
  });
}

TEST_P(FaultTest, FlippedBits) {
  Faults faults;
  ReadUnderFaults(&faults, [&faults](ReadRequest* request) {
    if (request->bytes_read > 0 && faults.Strikes()) {
      request->buffer[faults.reads % 3900] ^= std::byte{1};
    }
  });
}

TEST_P(FaultTest, ShortReads) {
  Faults faults;
  ReadUnderFaults(&faults, [&faults](ReadRequest* request) {
    if (faults.Strikes()) {
      request->bytes_read = std::min<size_t>(request->bytes_read, faults.reads % 3900);
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Engines, DamageTest, testing::Values(Kind::kIoUring, Kind::kPread),
                         EngineName);
INSTANTIATE_TEST_SUITE_P(Engines, FaultTest, testing::Values(Kind::kIoUring, Kind::kPread),
                         EngineName);

TEST(RocksDbStatusTest, CodesAndMessages) {
  using rocksdb::Status;
  const auto code = [](const Status& status) { return FromRocksDb(status, "doing").code(); };
  EXPECT_TRUE(FromRocksDb(Status::OK(), "doing").ok());
  EXPECT_EQ(code(Status::NoSpace("x")), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code(Status::IOError("x: Disk quota exceeded")), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code(Status::Corruption("x")), absl::StatusCode::kDataLoss);
  EXPECT_EQ(code(Status::IOError("x: Input/output error")), absl::StatusCode::kDataLoss);
  EXPECT_EQ(code(Status::NotFound("x")), absl::StatusCode::kDataLoss);
  EXPECT_EQ(code(Status::IOError("While open a file: /x", "Permission denied")),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code(Status::IOError("While open a file: /x", "Read-only file system")),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code(Status::IOError("While lock file: /x/LOCK", "Resource temporarily unavailable")),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(FromRocksDb(Status::Corruption("bad block", "/x/1.sst"), "row 3").message(),
            "row 3: Corruption: bad block: /x/1.sst");
}

}  // namespace
}  // namespace engram::storage
