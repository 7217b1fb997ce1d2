#include "storage/cold/page_block.h"

#include <filesystem>
#include <fstream>

#include "tests/storage/cold/cold_testing.h"

namespace engram::storage {
namespace {

using Kind = ReadEngineOptions::Kind;

// Of 15 rows of 264 bytes.
constexpr size_t kBlockBytes = 15 * 264 + 29;

std::vector<std::byte> ReadBytes(const std::string& path, uint64_t offset, size_t count) {
  std::vector<std::byte> bytes(count);
  std::ifstream in(path, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(offset));
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(count));
  bytes.resize(static_cast<size_t>(in.gcount()));
  return bytes;
}

// Blocks as RocksDB has written them.
class PageBlockTest : public EngineTest {
 protected:
  void Write(const TableSpec& spec) {
    spec_ = spec;
    table_ = WriteTable(OpenDb().get(), kUid, spec);
  }

  // The bytes of the file where the page is.
  std::vector<std::byte> Block(uint64_t page) const {
    const PageLayout layout(spec_);
    const RowPlace place = FindRow(dir_, spec_, static_cast<RowId>(layout.first_row(page)));
    return ReadBytes(place.path, place.offset / PageLayout::kBlockBytes * PageLayout::kBlockBytes,
                     layout.page_file_bytes());
  }

  void ExpectRows(uint64_t page) const {
    const PageLayout layout(spec_);
    const std::vector<std::byte> block = Block(page);
    const auto rows = RowsOfBlock(layout, page, block);
    ASSERT_EQ(rows.size(), size_t{layout.rows_in(page)} * spec_.row_bytes) << page;
    std::vector<std::byte> right(spec_.row_bytes);
    for (size_t i = 0; i < layout.rows_in(page); ++i) {
      FillRow(static_cast<RowId>(layout.first_row(page) + i), absl::MakeSpan(right));
      EXPECT_EQ(rows.subspan(i * right.size(), right.size()), absl::MakeConstSpan(right)) << page;
    }
  }

  TableSpec spec_;
  std::unique_ptr<ColdTable> table_;
};

TEST_P(PageBlockTest, FindsTheRowsOfEveryPage) {
  Write(OpaqueSpec(1000, 264));  // the last page has 10 rows of 15
  for (uint64_t page = 0; page < PageLayout(spec_).page_count(); ++page) {
    ExpectRows(page);
  }
}

TEST_P(PageBlockTest, RowsOfAnySize) {
  for (const uint32_t row_bytes : {16U, 100U, 127U, 2000U, 4067U, 4068U, 5000U, 70'000U}) {
    table_.reset();
    std::filesystem::remove_all(dir_);
    Write(OpaqueSpec(300, row_bytes));
    ExpectRows(0);
    ExpectRows(PageLayout(spec_).page_count() - 1);
  }
}

TEST_P(PageBlockTest, AnyFlippedBitIsNoticed) {
  Write(OpaqueSpec(100, 264));
  const PageLayout layout(spec_);
  std::vector<std::byte> block = Block(2);
  size_t noticed = 0;
  for (size_t bit = 0; bit < 8 * block.size(); ++bit) {
    block[bit / 8] ^= std::byte{1} << (bit % 8);
    noticed += RowsOfBlock(layout, 2, block).empty() ? 1 : 0;
    block[bit / 8] ^= std::byte{1} << (bit % 8);
  }
  EXPECT_EQ(noticed, 8 * kBlockBytes);  // what follows is padding
}

TEST_P(PageBlockTest, OtherPagesAndPartsAreRefused) {
  Write(OpaqueSpec(100, 264));
  const PageLayout layout(spec_);
  const std::vector<std::byte> block = Block(2);
  EXPECT_FALSE(RowsOfBlock(layout, 2, block).empty());
  EXPECT_TRUE(RowsOfBlock(layout, 1, block).empty());
  EXPECT_TRUE(RowsOfBlock(layout, 6, block).empty());  // has fewer rows
  EXPECT_TRUE(RowsOfBlock(layout, 2, {}).empty());
  for (size_t size = 1; size < kBlockBytes; size += 13) {
    EXPECT_TRUE(RowsOfBlock(layout, 2, absl::MakeSpan(block).first(size)).empty()) << size;
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, PageBlockTest, testing::Values(Kind::kIoUring), EngineName);

}  // namespace
}  // namespace engram::storage
