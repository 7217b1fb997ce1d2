#include "storage/io/readable_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>

#include "tests/storage/io/io_testing.h"

namespace engram::storage {
namespace {

TEST(ReadableFileTest, SameFileHasTheSameIdByAnyPath) {
  const std::string path = WriteTestFile("id", 4096);
  const std::string link = path + ".link";
  std::filesystem::remove(link);
  std::filesystem::create_hard_link(path, link);
  const auto a = OpenTestFile(path, true);
  const auto b = OpenTestFile(link, false);
  const auto other = OpenTestFile(WriteTestFile("other_id", 4096), true);
  EXPECT_EQ(a->id(), b->id());
  EXPECT_NE(a->id(), other->id());
  EXPECT_EQ(a->path(), path);
  EXPECT_FALSE(b->direct());
}

TEST(ReadableFileTest, ReadsBufferedWhereDirectIsRefused) {
  const std::string path = WriteTestFile("refused", 4096);
  int error = 0;
  const auto refuse_direct = [](const std::string& name, int flags) {
    return (flags & O_DIRECT) != 0 ? -EINVAL : open(name.c_str(), flags);
  };
  const auto file = ReadableFile::Open(path, /*direct=*/true, &error, refuse_direct);
  ASSERT_NE(file, nullptr);
  EXPECT_FALSE(file->direct());
}

// procfs has no direct reads.
TEST(ReadableFileTest, ReadsProcBuffered) {
  const auto file = OpenTestFile("/proc/version", /*direct=*/true);
  ASSERT_NE(file, nullptr);
  EXPECT_FALSE(file->direct());
}

TEST(ReadableFileTest, TellsWhyItCannotBeOpened) {
  int error = 0;
  EXPECT_EQ(ReadableFile::Open("/nonexistent/file", true, &error), nullptr);
  EXPECT_EQ(error, ENOENT);
  const auto refuse = [](const std::string&, int) { return -EMFILE; };
  EXPECT_EQ(ReadableFile::Open("/proc/version", true, &error, refuse), nullptr);
  EXPECT_EQ(error, EMFILE);
}

}  // namespace
}  // namespace engram::storage
