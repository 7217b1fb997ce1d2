// Goal: a file of another table in a file's place is never read as the right one. Its pages have
// the right numbers, lengths and checksums.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/storage/cold/cold_testing.h"

namespace engram::storage {
namespace {

constexpr uint64_t kOtherUid = kUid + 1;
constexpr uint64_t kSegmentBytes = uint64_t{1} << 18;  // 64 pages of 15 rows
constexpr RowId kFileRows = 64 * 15;

class ReplacedFileTest : public EngineTest {
 protected:
  const TableSpec spec_ = OpaqueSpec(30'000, 264);

  static std::vector<std::byte> OtherRow(RowId row, uint32_t row_bytes) {
    std::vector<std::byte> bytes(row_bytes);
    FillRow(row, absl::MakeSpan(bytes));
    for (std::byte& byte : bytes) byte = ~byte;
    return bytes;
  }

  void WriteBothTables(Database* database) {
    WriteTable(database, kUid, spec_);
    auto writer = database->NewTable(kOtherUid, spec_);
    ASSERT_TRUE(writer.ok()) << writer.status();
    for (uint64_t segment = 0; segment < (*writer)->segment_count(); ++segment) {
      std::vector<std::byte> rows;
      const uint64_t end = std::min<uint64_t>((segment + 1) * kFileRows, spec_.rows);
      for (uint64_t row = segment * kFileRows; row < end; ++row) {
        const auto bytes = OtherRow(static_cast<RowId>(row), spec_.row_bytes);
        rows.insert(rows.end(), bytes.begin(), bytes.end());
      }
      ASSERT_EQ((*writer)->WriteSegment(segment, rows), absl::OkStatus());
    }
    ASSERT_TRUE((*writer)->Finish().ok());
  }

  // Puts the other table's file in the place of the one that holds `row`; returns its path.
  std::string Replace(RowId row) {
    const RowPlace right = FindRow(dir_, spec_, row);
    const auto bytes = OtherRow(row, spec_.row_bytes);
    const RowPlace wrong =
        FindBytes(dir_, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    EXPECT_EQ(right.offset, wrong.offset);
    std::filesystem::rename(right.path, right.path + ".right");
    std::filesystem::copy_file(wrong.path, right.path);
    return right.path;
  }
};

TEST_P(ReplacedFileTest, WhileTheStoreWasDown) {
  WriteBothTables(OpenDb({.segment_bytes = kSegmentBytes}).get());
  int opened = 0;
  for (RowId file = 1; file < 31; file += 5) {
    const RowId row = file * kFileRows + 3;
    const std::string path = Replace(row);
    // RocksDB looks at some of the files when it opens the database.
    if (const auto database = OpenDatabase(dir_, engine_.get(), {}); database.ok()) {
      ++opened;
      const auto table = (*database)->OpenTable(kUid, spec_);
      ASSERT_TRUE(table.ok()) << table.status();
      size_t wrong = 0;
      for (int attempt = 0; attempt < 2; ++attempt) {
        EXPECT_EQ(ReadAndCheck(table->get(), spec_, {row}, &wrong).code(),
                  absl::StatusCode::kDataLoss);
      }
      EXPECT_EQ(ReadAndCheck(table->get(), spec_, {row - kFileRows}, &wrong), absl::OkStatus());
      EXPECT_EQ(wrong, 0U);
    }
    std::filesystem::rename(path + ".right", path);
  }
  EXPECT_GT(opened, 0);
}

TEST_P(ReplacedFileTest, WhileTheStoreRuns) {
  WriteBothTables(OpenDb({.segment_bytes = kSegmentBytes}).get());
  const auto database = OpenDb();
  const auto table = database->OpenTable(kUid, spec_);
  ASSERT_TRUE(table.ok()) << table.status();
  ASSERT_TRUE((*table)->Scan([](uint64_t, absl::Span<const std::byte>) { return true; }).ok());
  const RowId row = 18 * kFileRows + 3;
  Replace(row);
  size_t wrong = 0;
  const absl::Status status = ReadAndCheck(table->get(), spec_, {row}, &wrong);
  // RocksDB may have closed the right file meanwhile.
  EXPECT_TRUE(absl::IsDataLoss(status) || (status.ok() && wrong == 0)) << status << ", " << wrong;
}

TEST_P(ReplacedFileTest, ADamagedFirstPageLeavesTheOthersTheirFastWay) {
  WriteBothTables(OpenDb({.segment_bytes = kSegmentBytes}).get());
  const RowId first = 18 * kFileRows;
  FlipByte(FindRow(dir_, spec_, first));
  const auto database = OpenDb();
  const auto table = database->OpenTable(kUid, spec_);
  ASSERT_TRUE(table.ok()) << table.status();
  size_t wrong = 0;
  ColdReadStats stats;
  EXPECT_EQ(ReadAndCheck(table->get(), spec_, {first + 15}, &wrong, &stats), absl::OkStatus());
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(stats.read_again, 0U);
  EXPECT_EQ(ReadAndCheck(table->get(), spec_, {first}, &wrong).code(), absl::StatusCode::kDataLoss);
}

INSTANTIATE_TEST_SUITE_P(Engines, ReplacedFileTest,
                         testing::Values(ReadEngineOptions::Kind::kIoUring,
                                         ReadEngineOptions::Kind::kPread),
                         EngineName);

}  // namespace
}  // namespace engram::storage
