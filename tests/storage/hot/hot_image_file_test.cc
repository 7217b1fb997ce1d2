// Goal: an image gives back groups as they were written, whatever happened to the file.
#include "storage/hot/hot_image_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"

namespace engram::storage {
namespace {

namespace fs = std::filesystem;

constexpr size_t kHeaderBytes = 64;
constexpr size_t kEndBytes = 16;

const HotImageTable kSmall = {
    .table = {.uid = 7, .digest = {{1, 2, 3}}, .rows = 1000, .group_size = 2}, .row_bytes = 3};
// Of which a block holds five groups.
const HotImageTable kLarge = {.table = kSmall.table, .row_bytes = 100'000};
constexpr size_t kLargeGroups = 5;
const size_t kLargeBlock = 8 + kLargeGroups * kLarge.group_bytes();

std::vector<RowId> IdsOf(size_t group) {
  return {static_cast<RowId>(group), static_cast<RowId>(999 - group)};
}

std::vector<std::byte> RowsOf(const HotImageTable& table, size_t group) {
  std::vector<std::byte> rows(table.row_bytes_of_group());
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::byte>(group * 37 + i * 11);
  return rows;
}

class HotImageFileTest : public testing::Test {
 protected:
  HotImageFileTest() { fs::create_directories(dir_); }
  ~HotImageFileTest() override { fs::remove_all(dir_); }

  // Groups 0 to `groups`, appended some at a time.
  absl::Status Write(const HotImageTable& table, size_t groups, uint64_t stamp = 9,
                     FileCalls calls = {}) const {
    auto writer = HotImageWriter::Create(path_, table, stamp, std::move(calls));
    if (!writer.ok()) return writer.status();
    std::vector<RowId> row_ids;
    std::vector<std::byte> rows;
    for (size_t group = 0; group < groups; ++group) {
      for (const RowId id : IdsOf(group)) row_ids.push_back(id);
      for (const std::byte byte : RowsOf(table, group)) rows.push_back(byte);
      if (group % 3 != 2 && group + 1 < groups) continue;
      if (absl::Status status = (*writer)->Append(row_ids, rows); !status.ok()) return status;
      row_ids.clear();
      rows.clear();
    }
    return (*writer)->Commit();
  }

  // How many groups the file gives, all of which must be as they were written; 0 if it is refused.
  size_t CountGroups(const HotImageTable& table) const {
    const auto reader = HotImageReader::Open(path_, table);
    if (!reader.ok()) return 0;
    size_t groups = 0;
    while (!(*reader)->AtEnd()) {
      const auto block = (*reader)->Next();
      if (!block.ok()) {
        EXPECT_TRUE(absl::IsDataLoss(block.status())) << block.status();
        continue;
      }
      for (size_t i = 0; i < block->row_ids.size() / 2; ++i, ++groups) {
        const auto ids = block->row_ids.subspan(2 * i, 2);
        const auto rows =
            block->rows.subspan(i * table.row_bytes_of_group(), table.row_bytes_of_group());
        EXPECT_EQ(ids, absl::MakeConstSpan(IdsOf(ids[0])));
        EXPECT_TRUE(rows == absl::MakeConstSpan(RowsOf(table, ids[0]))) << "group " << ids[0];
      }
    }
    return groups;
  }

  std::string Content() const {
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void SetContent(const std::string& content) const {
    std::ofstream(path_, std::ios::binary) << content;
  }
  absl::StatusCode OpenCode(const HotImageTable& table) const {
    return HotImageReader::Open(path_, table).status().code();
  }

  const std::string dir_ = testing::TempDir() + "/hot_image_file_" +
                           testing::UnitTest::GetInstance()->current_test_info()->name();
  const std::string path_ = dir_ + "/7.rows";
};

TEST_F(HotImageFileTest, IsReadAsItWasWritten) {
  for (const size_t groups : {0U, 1U, 4U, 5U, 6U, 10U, 23U}) {
    ASSERT_TRUE(Write(kLarge, groups).ok());
    const auto reader = HotImageReader::Open(path_, kLarge);
    ASSERT_TRUE(reader.ok()) << reader.status();
    EXPECT_EQ((*reader)->groups(), groups);
    EXPECT_EQ(CountGroups(kLarge), groups);
  }
  ASSERT_TRUE(Write(kSmall, 500).ok());
  EXPECT_EQ(CountGroups(kSmall), 500U);
}

TEST_F(HotImageFileTest, TheFormatStaysAsItIs) {
  ASSERT_TRUE(Write(kSmall, 2).ok());
  const std::string content = absl::BytesToHexString(Content());
  const std::string head =
      "454e4752524f570a"
      "01000000"
      "02000000"
      "0700000000000000"
      "01020300000000000000000000000000"
      "03000000"
      "92240100"
      "0900000000000000";
  const std::string groups =
      "00000000e7030000"
      "01000000e6030000"
      "000b16212c37"
      "25303b46515c";
  EXPECT_EQ(content.substr(0, head.size()), head);
  EXPECT_EQ(content.substr(2 * (kHeaderBytes + 8), groups.size()), groups);
  EXPECT_EQ(content.substr(2 * (kHeaderBytes + 8) + groups.size(), 16), "0200000000000000");
  EXPECT_EQ(content.size(), 2 * (kHeaderBytes + 8 + kEndBytes) + groups.size());
}

TEST_F(HotImageFileTest, NoByteMayBeAnother) {
  ASSERT_TRUE(Write(kSmall, 5).ok());
  const std::string content = Content();
  for (size_t i = 0; i < content.size(); ++i) {
    std::string damaged = content;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    SetContent(damaged);
    EXPECT_EQ(CountGroups(kSmall), 0U) << "byte " << i;
  }
  for (size_t size = 0; size < content.size(); ++size) {
    SetContent(content.substr(0, size));
    EXPECT_EQ(OpenCode(kSmall), absl::StatusCode::kDataLoss) << "of " << size << " bytes";
  }
  SetContent(content + "x");
  EXPECT_EQ(OpenCode(kSmall), absl::StatusCode::kDataLoss);
}

TEST_F(HotImageFileTest, ADamagedBlockCostsItsOwnGroups) {
  ASSERT_TRUE(Write(kLarge, 12).ok());
  const std::string content = Content();
  const size_t second = kHeaderBytes + kLargeBlock;
  // Its checksum, an id, a row, its last byte.
  for (const size_t byte : {second, second + 9, second + 50'000, second + kLargeBlock - 1}) {
    std::string damaged = content;
    damaged[byte] = static_cast<char>(damaged[byte] ^ 1);
    SetContent(damaged);
    EXPECT_EQ(CountGroups(kLarge), 7U) << "byte " << byte;
  }
}

TEST_F(HotImageFileTest, ATruncatedImageIsRefused) {
  ASSERT_TRUE(Write(kLarge, 12).ok());
  const std::string content = Content();
  for (const size_t size : {kHeaderBytes, kHeaderBytes + kEndBytes, kHeaderBytes + kLargeBlock,
                            kHeaderBytes + kLargeBlock + 8, kHeaderBytes + 2 * kLargeBlock,
                            kHeaderBytes + 2 * kLargeBlock + kEndBytes, content.size() - kEndBytes,
                            content.size() - 1}) {
    SetContent(content.substr(0, size));
    EXPECT_EQ(OpenCode(kLarge), absl::StatusCode::kDataLoss) << "of " << size << " bytes";
    // With an end behind, as if some had been left out.
    SetContent(content.substr(0, size) + content.substr(content.size() - kEndBytes));
    if (size < content.size() - kEndBytes) {
      EXPECT_EQ(OpenCode(kLarge), absl::StatusCode::kDataLoss);
    }
  }
}

TEST_F(HotImageFileTest, ABlockOfAnotherPlaceOrImageIsRefused) {
  ASSERT_TRUE(Write(kLarge, 15, /*stamp=*/1).ok());
  const std::string other = Content();
  ASSERT_TRUE(Write(kLarge, 15, /*stamp=*/2).ok());
  const std::string content = Content();
  const auto block = [](const std::string& image, size_t index) {
    return image.substr(kHeaderBytes + index * kLargeBlock, kLargeBlock);
  };
  const std::string head = content.substr(0, kHeaderBytes);
  const std::string end = content.substr(content.size() - kEndBytes);
  SetContent(head + block(content, 1) + block(content, 0) + block(content, 2) + end);
  EXPECT_EQ(CountGroups(kLarge), 5U);
  SetContent(head + block(content, 0) + block(other, 1) + block(content, 2) + end);
  EXPECT_EQ(CountGroups(kLarge), 10U);
  SetContent(other.substr(0, kHeaderBytes) + content.substr(kHeaderBytes));
  EXPECT_EQ(OpenCode(kLarge), absl::StatusCode::kDataLoss);
}

TEST_F(HotImageFileTest, OtherFilesAreRefused) {
  EXPECT_EQ(OpenCode(kSmall), absl::StatusCode::kNotFound);
  ASSERT_TRUE(Write(kSmall, 3).ok());
  HotImageTable other = kSmall;
  other.table.uid = 8;
  EXPECT_EQ(OpenCode(other), absl::StatusCode::kFailedPrecondition);
  other = kSmall;
  other.table.digest.bytes[15] = 1;
  EXPECT_EQ(OpenCode(other), absl::StatusCode::kFailedPrecondition);
  other = kSmall;
  other.table.group_size = 1;
  EXPECT_EQ(OpenCode(other), absl::StatusCode::kFailedPrecondition);
  other = kSmall;
  other.row_bytes = 4;
  EXPECT_EQ(OpenCode(other), absl::StatusCode::kFailedPrecondition);
  other = kSmall;
  other.table.rows = 999;
  EXPECT_EQ(CountGroups(other), 0U);
  std::string newer = Content();
  newer[8] = 2;
  SetContent(newer);
  EXPECT_EQ(OpenCode(kSmall), absl::StatusCode::kFailedPrecondition);
  fs::remove(path_);
  fs::create_directory(path_);
  EXPECT_EQ(OpenCode(kSmall), absl::StatusCode::kDataLoss);
}

TEST_F(HotImageFileTest, IsReplacedWholeOrNotAtAll) {
  ASSERT_TRUE(Write(kSmall, 3).ok());
  const auto fail = [] {
    errno = EIO;
    return -1;
  };
  FileCalls no_write;
  no_write.write = [&](int /*fd*/, const void* /*bytes*/, size_t /*count*/) { return fail(); };
  FileCalls no_sync;
  no_sync.fsync = [&](int /*fd*/) { return fail(); };
  FileCalls no_rename;
  no_rename.rename = [&](const char* /*from*/, const char* /*to*/) { return fail(); };
  for (const FileCalls& calls : {no_write, no_sync, no_rename}) {
    EXPECT_FALSE(Write(kSmall, 50, 9, calls).ok());
    EXPECT_EQ(CountGroups(kSmall), 3U);
    EXPECT_EQ(std::distance(fs::directory_iterator(dir_), {}), 1);
  }
  ASSERT_TRUE(HotImageWriter::Create(path_, kSmall, 9).ok());  // given up before its end
  EXPECT_EQ(CountGroups(kSmall), 3U);
  EXPECT_EQ(std::distance(fs::directory_iterator(dir_), {}), 1);
}

TEST_F(HotImageFileTest, TheSizeIsKnownBefore) {
  for (const size_t groups : {0U, 1U, 500U}) {
    ASSERT_TRUE(Write(kSmall, groups).ok());
    EXPECT_NEAR(static_cast<double>(fs::file_size(path_)),
                static_cast<double>(HotImageBytes(kSmall, groups)), 8);
  }
}

}  // namespace
}  // namespace engram::storage
