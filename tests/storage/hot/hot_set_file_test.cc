// Goal: a hot set is read as it was written, or not at all.
#include "storage/hot/hot_set_file.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"

namespace engram::storage {
namespace {

namespace fs = std::filesystem;

const HotSetTable kTable = {.uid = 7, .digest = {{1, 2, 3}}, .rows = 1000, .group_size = 2};
const std::vector<float> kKnowledge = {0, 1.5F, 1e20F};

KnownGroups Groups(size_t first, size_t count) {
  KnownGroups groups;
  for (size_t i = first; i < first + count; ++i) {
    groups.row_ids.push_back(static_cast<RowId>(i));
    groups.row_ids.push_back(static_cast<RowId>(999 - i));
    groups.pasts.push_back({.age = static_cast<uint32_t>(i * i),
                            .uses = static_cast<uint8_t>(1 + i % 255),
                            .gap = static_cast<uint8_t>(i % 32),
                            .pinned = i % 5 == 0});
  }
  return groups;
}

class HotSetFileTest : public testing::Test {
 protected:
  HotSetFileTest() { fs::create_directories(dir_); }
  ~HotSetFileTest() override { fs::remove_all(dir_); }

  absl::Status Write(const std::vector<KnownGroups>& parts, FileCalls calls = {}) const {
    auto writer = HotSetWriter::Create(path_, kTable, kKnowledge, std::move(calls));
    if (!writer.ok()) return writer.status();
    for (const KnownGroups& part : parts) {
      if (absl::Status status = (*writer)->Append(part); !status.ok()) return status;
    }
    return (*writer)->Commit();
  }

  std::string Content() const {
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void SetContent(const std::string& content) const {
    std::ofstream(path_, std::ios::binary) << content;
  }
  absl::StatusCode OpenCode(const HotSetTable& table = kTable) const {
    return HotSetReader::Open(path_, table).status().code();
  }
  // Groups of the file that is there and right.
  uint64_t CountGroups() const {
    const auto reader = HotSetReader::Open(path_, kTable);
    EXPECT_TRUE(reader.ok()) << reader.status();
    return reader.ok() ? (*reader)->groups() : 0;
  }

  const std::string dir_ = testing::TempDir() + "/hot_set_file_" +
                           testing::UnitTest::GetInstance()->current_test_info()->name();
  const std::string path_ = dir_ + "/7";
};

TEST_F(HotSetFileTest, IsReadAsItWasWritten) {
  ASSERT_TRUE(Write({Groups(0, 100), Groups(100, 1), KnownGroups(), Groups(101, 400)}).ok());
  const auto reader = HotSetReader::Open(path_, kTable);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ((*reader)->groups(), 501U);
  EXPECT_EQ((*reader)->knowledge(), kKnowledge);
  const KnownGroups expected = Groups(0, 501);
  KnownGroups found;
  for (const size_t size : {200U, 200U, 101U, 0U}) {
    const auto next = (*reader)->Next(200);
    ASSERT_TRUE(next.ok()) << next.status();
    EXPECT_EQ(next->size(), size);
    found.row_ids.insert(found.row_ids.end(), next->row_ids.begin(), next->row_ids.end());
    found.pasts.insert(found.pasts.end(), next->pasts.begin(), next->pasts.end());
  }
  EXPECT_EQ(found.row_ids, expected.row_ids);
  EXPECT_EQ(found.pasts, expected.pasts);
}

TEST_F(HotSetFileTest, TheFormatStaysAsItIs) {
  ASSERT_TRUE(Write({Groups(5, 1)}).ok());
  const std::string head =
      "454e4752484f540a"
      "02000000"
      "02000000"
      "0700000000000000"
      "01020300000000000000000000000000"
      "03000000"
      "0000000000000000000000000000000000000000"
      "00000000"
      "0000c03f"
      "ec78ad60"
      "05000000"
      "e2030000"
      "19000000"
      "06"
      "05"
      "0100"
      "0100000000000000";
  const std::string content = absl::BytesToHexString(Content());
  ASSERT_EQ(content.size(), head.size() + 32);  // the checksum
  EXPECT_EQ(content.substr(0, head.size()), head);
}

// Two groups, as version 1 wrote them.
TEST_F(HotSetFileTest, FilesOfVersionOneAreReadAndPinNothing) {
  const std::string before =
      "454e4752484f540a"
      "01000000"
      "02000000"
      "0700000000000000"
      "01020300000000000000000000000000"
      "00000000"
      "0000000000000000000000000000000000000000"
      "05000000e2030000"
      "1900000006050000"
      "06000000e1030000"
      "2400000007060000"
      "0200000000000000";
  std::string content = absl::HexStringToBytes(before);
  RowDigest checksum;
  checksum.Update(
      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(content.data()), content.size()));
  const Digest digest = checksum.Finish();
  content.append(reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size());
  SetContent(content);
  const auto reader = HotSetReader::Open(path_, kTable);
  ASSERT_TRUE(reader.ok()) << reader.status();
  const auto groups = (*reader)->Next(2);
  ASSERT_TRUE(groups.ok()) << groups.status();
  EXPECT_EQ(groups->row_ids, Groups(5, 2).row_ids);
  EXPECT_EQ(groups->pasts[0], (GroupPast{.age = 25, .uses = 6, .gap = 5}));
  EXPECT_EQ(groups->pasts[1], (GroupPast{.age = 36, .uses = 7, .gap = 6}));
}

TEST_F(HotSetFileTest, NoByteMayBeAnother) {
  ASSERT_TRUE(Write({Groups(0, 3)}).ok());
  const std::string content = Content();
  for (size_t i = 0; i < content.size(); ++i) {
    std::string damaged = content;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    SetContent(damaged);
    EXPECT_NE(OpenCode(), absl::StatusCode::kOk) << "byte " << i;
  }
  for (size_t size = 0; size < content.size(); ++size) {
    SetContent(content.substr(0, size));
    EXPECT_EQ(OpenCode(), absl::StatusCode::kDataLoss) << "of " << size << " bytes";
  }
  SetContent(content + "x");
  EXPECT_EQ(OpenCode(), absl::StatusCode::kDataLoss);
}

TEST_F(HotSetFileTest, OtherFilesAreRefused) {
  EXPECT_EQ(OpenCode(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(Write({Groups(0, 3)}).ok());
  HotSetTable other = kTable;
  other.uid = 8;
  EXPECT_EQ(OpenCode(other), absl::StatusCode::kFailedPrecondition);
  other = kTable;
  other.digest.bytes[15] = 1;
  EXPECT_EQ(OpenCode(other), absl::StatusCode::kFailedPrecondition);
  other = kTable;
  other.group_size = 1;
  EXPECT_EQ(OpenCode(other), absl::StatusCode::kFailedPrecondition);
  std::string newer = Content();
  newer[8] = 3;
  SetContent(newer);
  EXPECT_EQ(OpenCode(), absl::StatusCode::kFailedPrecondition);
  fs::remove(path_);
  fs::create_directory(path_);
  EXPECT_EQ(OpenCode(), absl::StatusCode::kDataLoss);
}

TEST_F(HotSetFileTest, RowsThatTheTableDoesNotHaveAreRefused) {
  ASSERT_TRUE(Write({Groups(0, 3)}).ok());
  HotSetTable smaller = kTable;
  smaller.rows = 999;
  const auto reader = HotSetReader::Open(path_, smaller);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ((*reader)->Next(3).status().code(), absl::StatusCode::kDataLoss);
}

// A file that is not committed, for whatever reason, leaves the one before.
TEST_F(HotSetFileTest, IsReplacedWholeOrNotAtAll) {
  ASSERT_TRUE(Write({Groups(0, 3)}).ok());
  const auto fail = [] {
    errno = EIO;
    return -1;
  };
  int writes = 0;
  FileCalls no_write;
  no_write.write = [&](int fd, const void* bytes, size_t count) -> ssize_t {
    return ++writes < 3 ? ::write(fd, bytes, count) : fail();
  };
  FileCalls full;
  full.write = [](int /*fd*/, const void* /*bytes*/, size_t /*count*/) -> ssize_t { return 0; };
  FileCalls no_sync;
  no_sync.fsync = [&](int /*fd*/) { return fail(); };
  FileCalls no_rename;
  no_rename.rename = [&](const char* /*from*/, const char* /*to*/) { return fail(); };
  for (const FileCalls& calls : {no_write, full, no_sync, no_rename}) {
    EXPECT_FALSE(Write({Groups(0, 50)}, calls).ok());
    EXPECT_EQ(CountGroups(), 3U);
    EXPECT_EQ(std::distance(fs::directory_iterator(dir_), {}), 1);
  }
  ASSERT_TRUE(HotSetWriter::Create(path_, kTable, {}).ok());  // given up before its end
  EXPECT_EQ(CountGroups(), 3U);
  FileCalls few_bytes;
  few_bytes.write = [](int fd, const void* bytes, size_t count) {
    return ::write(fd, bytes, std::min<size_t>(count, 7));
  };
  ASSERT_TRUE(Write({Groups(0, 50)}, few_bytes).ok());
  EXPECT_EQ(CountGroups(), 50U);
}

// The loader reads on while a save puts a new file in the place of the old.
TEST_F(HotSetFileTest, AReaderKeepsTheFileThatItOpened) {
  ASSERT_TRUE(Write({Groups(0, 30)}).ok());
  const auto reader = HotSetReader::Open(path_, kTable);
  ASSERT_TRUE(reader.ok());
  ASSERT_TRUE(Write({Groups(50, 1)}).ok());
  const auto groups = (*reader)->Next(30);
  ASSERT_TRUE(groups.ok());
  EXPECT_EQ(groups->row_ids, Groups(0, 30).row_ids);
}

}  // namespace
}  // namespace engram::storage
