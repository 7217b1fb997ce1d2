// What is written to a table comes back, whatever its shape, in one read of the device a page.
#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <set>
#include <thread>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "storage/cold/cold_table.h"
#include "storage/cold/instance.h"
#include "storage/cold/sst_map.h"
#include "storage/cold/table_writer.h"
#include "tests/storage/cold/cold_testing.h"

namespace engram::storage {
namespace {

using Kind = ReadEngineOptions::Kind;
using testing::HasSubstr;

class ColdTableTest : public EngineTest {};

struct Shape {
  uint64_t rows;
  uint32_t row_bytes;
};

// Single pages, short last pages, rows of one byte, rows at and over the edge of a block.
const Shape kShapes[] = {{1, 1},       {1, 264},     {15, 264},    {16, 264},    {20'000, 264},
                         {9'000, 160}, {100'000, 1}, {4'070, 1},   {5'000, 7},   {600, 4067},
                         {600, 4068},  {200, 8150},  {40, 65'536}, {6, 1u << 20}};

TEST_P(ColdTableTest, EveryShapeComesBackWithoutAMissedPrediction) {
  const auto database = OpenDb({.segment_bytes = 1 << 20});
  uint64_t uid = 1;
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(testing::Message() << shape.rows << " rows of " << shape.row_bytes);
    const TableSpec spec = OpaqueSpec(shape.rows, shape.row_bytes);
    const auto table = WriteTable(database.get(), uid++, spec);
    ASSERT_NE(table, nullptr);
    std::vector<RowId> ids = RandomIds(spec.rows, std::min<size_t>(3000, 3 * spec.rows), 1);
    ids.push_back(static_cast<RowId>(spec.rows - 1));
    ids.insert(ids.begin(), 0);
    const PageLayout layout(spec);
    std::set<uint64_t> pages;
    for (const RowId id : ids) {
      pages.insert(layout.page_of(id));
    }
    size_t wrong = 0;
    ColdReadStats stats;
    const auto status = ReadAndCheck(table.get(), spec, ids, &wrong, &stats);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(wrong, 0U);
    EXPECT_EQ(stats.read_again, 0U);
    EXPECT_EQ(stats.reads, pages.size());
    EXPECT_EQ(stats.bytes_read, pages.size() * layout.page_file_bytes());
  }
}

TEST_P(ColdTableTest, ScanReturnsEveryPageInOrder) {
  const auto database = OpenDb({.segment_bytes = 1 << 20});
  const TableSpec spec = OpaqueSpec(20'007, 264);
  const auto table = WriteTable(database.get(), kUid, spec);
  uint64_t next = 0;
  size_t wrong = 0;
  std::vector<std::byte> expected(spec.row_bytes);
  const auto status = table->Scan([&](uint64_t first_row, absl::Span<const std::byte> rows) {
    EXPECT_EQ(first_row, next);
    for (size_t at = 0; at < rows.size(); at += spec.row_bytes) {
      FillRow(static_cast<RowId>(next++), absl::MakeSpan(expected));
      wrong += std::memcmp(&rows[at], expected.data(), expected.size()) == 0 ? 0 : 1;
    }
    return true;
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(next, spec.rows);
  EXPECT_EQ(wrong, 0U);

  int pages = 0;
  const auto stopped =
      table->Scan([&pages](uint64_t, absl::Span<const std::byte>) { return ++pages < 3; });
  EXPECT_EQ(stopped.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(pages, 3);
}

// Of this process, below `dir`.
size_t CountOpenFiles(const std::string& dir) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    const auto target = std::filesystem::read_symlink(entry.path(), error);
    count += target.extension() == ".sst" && target.string().starts_with(dir) ? 1 : 0;
  }
  return count;
}

TEST_P(ColdTableTest, FewFilesMayBeOpen) {
  const TableSpec spec = OpaqueSpec(20'000, 264);
  constexpr int kMaxOpenFiles = 100;
  const auto database = OpenDb({.segment_bytes = 1 << 13, .max_open_files = kMaxOpenFiles});
  const auto table = WriteTable(database.get(), kUid, spec);
  ASSERT_GT(CountSstFiles(dir_), 500U);
  std::vector<std::thread> readers;
  for (uint32_t reader = 0; reader < 4; ++reader) {
    readers.emplace_back([&, reader] {
      for (uint32_t round = 0; round < 3; ++round) {
        size_t wrong = 0;
        ColdReadStats stats;
        const auto ids = RandomIds(spec.rows, 1000, 4 * round + reader);
        EXPECT_EQ(ReadAndCheck(table.get(), spec, ids, &wrong, &stats), absl::OkStatus());
        EXPECT_EQ(wrong, 0U);
        EXPECT_EQ(stats.read_again, 0U);
      }
    });
  }
  for (std::thread& reader : readers) reader.join();
  // Of those that remain open; during the reads each thread has 16 more at most.
  EXPECT_LE(CountOpenFiles(std::filesystem::canonical(dir_)), size_t{kMaxOpenFiles});
}

// What RocksDB keeps of a table in memory does not grow with it.
TEST_P(ColdTableTest, IndexesOfFewFilesStayInMemory) {
  const TableSpec spec = OpaqueSpec(40'000, 264);
  const auto instance = Instance::Open(dir_, engine_.get(), rocksdb::FileSystem::Default(),
                                       /*max_open_files=*/0);
  ASSERT_TRUE(instance.ok()) << instance.status();
  std::shared_ptr<ColumnFamily> family;
  auto writer = NewColdTableWriter(
      *instance, kUid, spec, /*segment_bytes=*/1 << 13,
      [&](const std::shared_ptr<ColumnFamily>& finished, const TableSpec& finished_spec) {
        family = finished;
        return NewColdTable(*instance, finished,
                            std::make_shared<SstMap>((*instance)->db(), finished->handle(),
                                                     (*instance)->file_system()),
                            finished_spec);
      });
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_EQ(WriteSegments(writer->get(), spec), absl::OkStatus());
  const auto table = (*writer)->Finish();
  ASSERT_TRUE(table.ok()) << table.status();
  const auto readers_bytes = [&] {
    uint64_t bytes = 0;
    (*instance)->db()->GetIntProperty(family->handle(), "rocksdb.estimate-table-readers-mem",
                                      &bytes);
    return bytes;
  };
  const auto read_all = [&] {
    EXPECT_TRUE((*table)->Scan([](uint64_t, absl::Span<const std::byte>) { return true; }).ok());
    size_t wrong = 0;
    EXPECT_EQ(ReadAndCheck(table->get(), spec, RandomIds(spec.rows, 20'000, 1), &wrong),
              absl::OkStatus());
  };
  read_all();
  const size_t files = CountSstFiles(dir_);
  ASSERT_GT(files, 1300U);
  EXPECT_LT(readers_bytes(), files * 500);  // each takes some 2 KB and its index
}

TEST_P(ColdTableTest, FilesAreInTheLastLevelAndBytesAreCounted) {
  const TableSpec spec = OpaqueSpec(20'000, 264);
  {
    const auto database = OpenDb({.segment_bytes = 1 << 20});
    const auto table = WriteTable(database.get(), kUid, spec);
    EXPECT_GE(table->disk_bytes(), spec.table_bytes());
    EXPECT_LE(table->disk_bytes(), spec.table_bytes() * 11 / 10);
  }
  const auto instance = Instance::Open(dir_, engine_.get(), rocksdb::FileSystem::Default(),
                                       /*max_open_files=*/0);
  ASSERT_TRUE(instance.ok()) << instance.status();
  const auto family = (*instance)->FindColumnFamily(kUid);
  ASSERT_NE(family, nullptr);
  const SstMap files((*instance)->db(), family->handle(), (*instance)->file_system());
  EXPECT_EQ(files.files().size(), 6U);  // 1,334 pages, 256 a file
  EXPECT_EQ(files.files_above(), 0U);
  EXPECT_EQ(files.Find(256)->first_page, 256U);
  EXPECT_EQ(files.Find(1333)->last_page, 1333U);
  EXPECT_EQ(files.Find(1334), nullptr);
  rocksdb::ColumnFamilyMetaData metadata;
  (*instance)->db()->GetColumnFamilyMetaData(family->handle(), &metadata);
  for (const auto& level : metadata.levels) {
    for (const auto& file : level.files) {
      EXPECT_EQ(file.largest_seqno, 0U) << file.name;
    }
  }
}

TEST_P(ColdTableTest, SurvivesReopening) {
  const TableSpec spec = OpaqueSpec(20'000, 264);
  WriteTable(OpenDb({.segment_bytes = 1 << 20}).get(), kUid, spec);
  const auto database = OpenDb();
  auto table = database->OpenTable(kUid, spec);
  ASSERT_TRUE(table.ok()) << table.status();
  size_t wrong = 0;
  ColdReadStats stats;
  const auto status =
      ReadAndCheck(table->get(), spec, RandomIds(spec.rows, 5000, 2), &wrong, &stats);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(stats.read_again, 0U);
}

TEST_P(ColdTableTest, ThreadsReadAtOnce) {
  const TableSpec spec = OpaqueSpec(20'000, 264);
  const auto database = OpenDb({.segment_bytes = 1 << 20});
  const auto table = WriteTable(database.get(), kUid, spec);
  std::array<size_t, 4> wrong = {};
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < wrong.size(); ++i) {
    threads.emplace_back([&, i] {
      for (uint32_t round = 0; round < 5; ++round) {
        size_t wrong_now = 0;
        const auto ids = RandomIds(spec.rows, 1000, 10 * i + round);
        EXPECT_TRUE(ReadAndCheck(table.get(), spec, ids, &wrong_now).ok());
        wrong[i] += wrong_now;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_THAT(wrong, testing::Each(0U));
}

TEST_P(ColdTableTest, AThreadReadsSeveralDatabases) {
  const TableSpec spec = OpaqueSpec(1'000, 264);
  for (int round = 0; round < 3; ++round) {
    const std::string other_dir = dir_ + "/other" + std::to_string(round);
    const std::string own_dir = dir_ + "/own" + std::to_string(round);
    const auto own = OpenDatabase(own_dir, engine_.get(), {});
    const auto other = OpenDatabase(other_dir, engine_.get(), {});
    ASSERT_TRUE(own.ok() && other.ok());
    for (Database* database : {own->get(), other->get()}) {
      const auto table = WriteTable(database, kUid, spec);
      size_t wrong = 0;
      EXPECT_TRUE(ReadAndCheck(table.get(), spec, RandomIds(spec.rows, 100, 3), &wrong).ok());
      EXPECT_EQ(wrong, 0U);
    }
  }
}

TEST_P(ColdTableTest, RowsGoWhereTheirDestinationSays) {
  const TableSpec spec = OpaqueSpec(100, 264);
  const auto database = OpenDb();
  const auto table = WriteTable(database.get(), kUid, spec);
  const std::vector<RowRead> reads = {{3, 2}, {3, 0}, {99, 1}};
  std::vector<std::byte> rows(3 * spec.row_bytes);
  ColdReadStats stats;
  ASSERT_TRUE(table->ReadRows(reads, rows.data(), absl::InfiniteFuture(), &stats).ok());
  std::vector<std::byte> expected(spec.row_bytes);
  for (const RowRead& read : reads) {
    FillRow(read.row_id, absl::MakeSpan(expected));
    EXPECT_EQ(
        std::memcmp(&rows[read.destination * spec.row_bytes], expected.data(), expected.size()), 0);
  }
  EXPECT_EQ(stats.reads, 2U);
  EXPECT_TRUE(table->ReadRows({}, nullptr, absl::InfiniteFuture(), &stats).ok());
}

// What was started is read to its end, and what that cost is told.
TEST_P(ColdTableTest, ACancelledReadStops) {
  const TableSpec spec = OpaqueSpec(20'000, 264);
  const auto database = OpenDb();
  const auto table = WriteTable(database.get(), kUid, spec);
  const std::vector<RowId> ids = RandomIds(spec.rows, 2000, 4);
  std::vector<std::byte> rows(ids.size() * spec.row_bytes);
  const CancelFlag cancelled = 1;
  ColdReadStats stats;
  const auto status =
      table->ReadRows(ReadsOf(ids), rows.data(), {absl::InfiniteFuture(), &cancelled}, &stats);
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_GT(stats.reads, 0U);
  EXPECT_LT(stats.reads, 500U);
}

TEST_P(ColdTableTest, APassedDeadlineStopsTheRead) {
  const TableSpec spec = OpaqueSpec(20'000, 264);
  const auto database = OpenDb();
  const auto table = WriteTable(database.get(), kUid, spec);
  const std::vector<RowId> ids = RandomIds(spec.rows, 2000, 4);
  std::vector<std::byte> rows(ids.size() * spec.row_bytes);
  ColdReadStats stats;
  const auto status =
      table->ReadRows(ReadsOf(ids), rows.data(), absl::Now() - absl::Seconds(1), &stats);
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(status.message(), HasSubstr("before all was read"));
  size_t wrong = 0;
  EXPECT_TRUE(ReadAndCheck(table.get(), spec, ids, &wrong).ok());
  EXPECT_EQ(wrong, 0U);
}

TEST_P(ColdTableTest, ATableOutlivesItsDatabase) {
  const TableSpec spec = OpaqueSpec(1'000, 264);
  auto database = OpenDb();
  auto table = WriteTable(database.get(), kUid, spec);
  database.reset();
  size_t wrong = 0;
  EXPECT_TRUE(ReadAndCheck(table.get(), spec, RandomIds(spec.rows, 500, 5), &wrong).ok());
  EXPECT_EQ(wrong, 0U);
  table.reset();
  EXPECT_NE(OpenDb(), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Engines, ColdTableTest, testing::Values(Kind::kIoUring, Kind::kPread),
                         EngineName);

}  // namespace
}  // namespace engram::storage
