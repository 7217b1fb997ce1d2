// Goal: segments read back as they were written last, whatever happens beside, and nobody else's.
#include "storage/cold/segment_store.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <thread>
#include <vector>

#include "storage/cold/page_reader.h"
#include "tests/storage/cold/cold_testing.h"

namespace engram::storage {
namespace {

constexpr uint32_t kRowBytes = 2144;

// A row tells its place, and the generation that it was written in.
std::vector<std::byte> RowsOf(uint64_t first, uint64_t count, uint32_t generation,
                              uint32_t row_bytes = kRowBytes) {
  std::vector<std::byte> rows(count * row_bytes);
  for (uint64_t row = 0; row < count; ++row) {
    for (uint32_t at = 0; at < row_bytes; ++at) {
      rows[row * row_bytes + at] =
          static_cast<std::byte>(((first + row) * 31 + at * 7 + generation * 101) >> (at % 3));
    }
  }
  return rows;
}

class Collector final : public RowSink {
 public:
  explicit Collector(uint32_t row_bytes) : row_bytes_(row_bytes) {}
  void Take(const RowRead& read, const std::byte* row) override {
    rows[read.row_id].assign(row, row + row_bytes_);
  }
  absl::Status Miss(absl::Span<const RowRead> reads, absl::Status /*why*/) override {
    missed += reads.size();
    return absl::OkStatus();
  }

  std::map<RowId, std::vector<std::byte>> rows;
  size_t missed = 0;

 private:
  const uint32_t row_bytes_;
};

class SegmentStoreTest : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    dir_ += "/warm";
    Open();
  }

  void TearDown() override {
    database_.reset();
    EngineTest::TearDown();
  }

  void Open() {
    auto database = SegmentDatabase::Open(dir_, engine_.get(), DatabaseConfig());
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
  }

  std::unique_ptr<SegmentStore> OpenStore(const SegmentShape& shape) {
    auto store = database_->OpenStore(kUid, shape);
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }

  static Collector Read(SegmentStore* store, std::vector<RowId> ids,
                        uint32_t row_bytes = kRowBytes) {
    Collector collector(row_bytes);
    ColdReadStats stats;
    const absl::Status status =
        store->Read(ReadsOf(ids), absl::InfiniteFuture(), &collector, &stats);
    EXPECT_TRUE(status.ok()) << status;
    return collector;
  }

  std::unique_ptr<SegmentDatabase> database_;
};

constexpr SegmentShape kShape = {.row_bytes = kRowBytes, .pages = 64, .segments = 8};

TEST_P(SegmentStoreTest, ReadsWhatWasWrittenLast) {
  const auto store = OpenStore(kShape);
  EXPECT_TRUE(store->Present().empty());
  for (const uint32_t generation : {1u, 2u}) {
    for (const uint64_t segment : {5, 0, 7}) {
      ASSERT_TRUE(store->Replace(segment, RowsOf(segment * 64, 64, generation)).ok());
    }
    EXPECT_EQ(store->Present(), (std::vector<uint64_t>{0, 5, 7}));
    const Collector read = Read(store.get(), {0, 1, 63, 320, 350, 350, 511});
    EXPECT_EQ(read.missed, 0u);
    for (const RowId row : {0, 1, 63, 320, 350, 511}) {
      EXPECT_EQ(read.rows.at(row), RowsOf(row, 1, generation)) << row;
    }
    EXPECT_LE(store->disk_bytes(), 3 * kShape.segment_disk_bytes());
  }
  EXPECT_EQ(Read(store.get(), {64, 100, 448}).missed, 2u);
}

TEST_P(SegmentStoreTest, SmallRowsShareAPage) {
  const SegmentShape shape = {.row_bytes = 268, .pages = 4, .segments = 2};
  ASSERT_EQ(shape.rows_per_segment(), 60u);
  const auto store = OpenStore(shape);
  ASSERT_TRUE(store->Replace(1, RowsOf(60, 37, 1, 268)).ok());
  const Collector read = Read(store.get(), {60, 74, 75, 96}, shape.row_bytes);
  EXPECT_EQ(read.missed, 0u);
  EXPECT_EQ(read.rows.at(96), RowsOf(96, 1, 1, 268));
  EXPECT_EQ(Read(store.get(), {0, 119}, shape.row_bytes).missed, 2u);
}

TEST_P(SegmentStoreTest, KeepsSegmentsWhenOpenedAgain) {
  auto store = OpenStore(kShape);
  ASSERT_TRUE(store->Replace(3, RowsOf(192, 64, 1)).ok());
  ASSERT_TRUE(store->Replace(6, RowsOf(384, 10, 1)).ok());
  store.reset();
  database_.reset();
  Open();
  store = OpenStore(kShape);
  EXPECT_EQ(store->Present(), (std::vector<uint64_t>{3, 6}));
  EXPECT_EQ(Read(store.get(), {200}).rows.at(200), RowsOf(200, 1, 1));

  // Smaller: what is beyond the end goes. Another size of segments: all of it does.
  store.reset();
  store = OpenStore({.row_bytes = kRowBytes, .pages = 64, .segments = 4});
  EXPECT_EQ(store->Present(), (std::vector<uint64_t>{3}));
  store.reset();
  store = OpenStore({.row_bytes = kRowBytes, .pages = 48, .segments = 4});
  EXPECT_TRUE(store->Present().empty());
  ASSERT_TRUE(store->Replace(3, RowsOf(144, 48, 2)).ok());
  EXPECT_EQ(Read(store.get(), {150}).rows.at(150), RowsOf(150, 1, 2));
}

TEST_P(SegmentStoreTest, ReplacingFreesDiskSpace) {
  const auto store = OpenStore(kShape);
  for (uint32_t generation = 0; generation < 10; ++generation) {
    ASSERT_TRUE(store->Replace(2, RowsOf(128, 64, generation)).ok());
    EXPECT_LE(CountSstFiles(dir_), 1u);
  }
}

TEST_P(SegmentStoreTest, DropUnknownRemovesOtherTables) {
  auto store = OpenStore(kShape);
  ASSERT_TRUE(store->Replace(0, RowsOf(0, 64, 1)).ok());
  store.reset();
  ASSERT_TRUE(database_->DropUnknown({kUid}).ok());
  EXPECT_EQ(CountSstFiles(dir_), 1u);
  ASSERT_TRUE(database_->DropUnknown({kUid + 1}).ok());
  EXPECT_EQ(CountSstFiles(dir_), 0u);
}

TEST_P(SegmentStoreTest, ADamagedPageIsAMiss) {
  const auto store = OpenStore(kShape);
  const auto rows = RowsOf(0, 64, 1);
  ASSERT_TRUE(store->Replace(0, rows).ok());
  FlipByte(FindBytes(
      dir_, std::string(reinterpret_cast<const char*>(rows.data()) + 20 * kRowBytes, kRowBytes)));
  const Collector read = Read(store.get(), {19, 20, 21});
  EXPECT_EQ(read.missed, 1u);
  EXPECT_EQ(read.rows.count(20), 0u);
  EXPECT_EQ(read.rows.at(21), RowsOf(21, 1, 1));
}

TEST_P(SegmentStoreTest, ADatabaseThatCannotBeOpenedStartsEmpty) {
  auto store = OpenStore(kShape);
  ASSERT_TRUE(store->Replace(0, RowsOf(0, 64, 1)).ok());
  store.reset();
  database_.reset();
  std::filesystem::remove(dir_ + "/CURRENT");
  Open();
  store = OpenStore(kShape);
  EXPECT_TRUE(store->Present().empty());
  EXPECT_EQ(CountSstFiles(dir_), 0u);
}

// Readers see one generation or the other, or nothing, and never a mixture.
TEST_P(SegmentStoreTest, ReadersDoNotMindWriters) {
  const auto store = OpenStore(kShape);
  ASSERT_TRUE(store->Replace(1, RowsOf(64, 64, 0)).ok());
  std::thread writer([&] {
    for (uint32_t generation = 1; generation < 30; ++generation) {
      ASSERT_TRUE(store->Replace(1, RowsOf(64, 64, generation % 3)).ok());
    }
  });
  for (int i = 0; i < 100; ++i) {
    const Collector read = Read(store.get(), {64, 90, 127});
    for (const auto& [row, bytes] : read.rows) {
      EXPECT_TRUE(bytes == RowsOf(row, 1, 0) || bytes == RowsOf(row, 1, 1) ||
                  bytes == RowsOf(row, 1, 2));
    }
  }
  writer.join();
  EXPECT_EQ(Read(store.get(), {64}).missed, 0u);
}

INSTANTIATE_TEST_SUITE_P(Engines, SegmentStoreTest,
                         testing::Values(ReadEngineOptions::Kind::kIoUring,
                                         ReadEngineOptions::Kind::kPread),
                         EngineName);

}  // namespace
}  // namespace engram::storage
