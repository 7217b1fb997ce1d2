#include "tests/storage/io/io_testing.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <vector>

#include "gtest/gtest.h"

namespace engram::storage {

AlignedBytes NewAlignedBytes(size_t bytes) {
  const size_t rounded = (bytes + kDirectAlignment - 1) / kDirectAlignment * kDirectAlignment;
  auto* buffer = static_cast<std::byte*>(std::aligned_alloc(kDirectAlignment, rounded));
  std::memset(buffer, 0, rounded);
  return AlignedBytes(buffer);
}

size_t CountWrongBytes(const std::byte* bytes, uint64_t offset, size_t length) {
  size_t wrong = 0;
  for (size_t i = 0; i < length; ++i) {
    wrong += bytes[i] != FileByte(offset + i) ? 1 : 0;
  }
  return wrong;
}

std::string WriteTestFile(const std::string& name, size_t bytes) {
  // Tests run side by side: each has files of its own.
  const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
  std::string file_name =
      std::string("engram_") + test->test_suite_name() + "_" + test->name() + "_" + name;
  std::replace(file_name.begin(), file_name.end(), '/', '_');
  const std::string path = testing::TempDir() + "/" + file_name;
  std::vector<char> content(bytes);
  for (size_t i = 0; i < bytes; ++i) {
    content[i] = static_cast<char>(FileByte(i));
  }
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(content.data(), static_cast<std::streamsize>(bytes));
  file.close();
  EXPECT_TRUE(file.good()) << path;
  return path;
}

std::unique_ptr<ReadableFile> OpenTestFile(const std::string& path, bool direct) {
  int error = 0;
  auto file = ReadableFile::Open(path, direct, &error);
  EXPECT_NE(file, nullptr) << path << ": " << std::strerror(error);
  return file;
}

}  // namespace engram::storage
