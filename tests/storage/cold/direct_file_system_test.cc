// RocksDB's view of files: what it asks for is what it gets, read ahead or not.
#include "storage/cold/direct_file_system.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/storage/cold/cold_testing.h"

namespace engram::storage {
namespace {

using Kind = ReadEngineOptions::Kind;

constexpr size_t kBlock = kDirectAlignment;
constexpr size_t kFileBytes = 100 * kBlock + 777;

class DirectFileSystemTest : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    if (IsSkipped()) {
      return;
    }
    for (size_t i = 0; i < kFileBytes; ++i) {
      content_.push_back(static_cast<char>((i * 0x9E3779B97F4A7C15u) >> 56));
    }
    std::ofstream(path_, std::ios::binary) << content_;
    file_system_ = std::make_unique<DirectFileSystem>(rocksdb::FileSystem::Default(), engine_.get(),
                                                      /*max_kept=*/8);
    ASSERT_TRUE(file_system_->NewRandomAccessFile(path_, {}, &file_, nullptr).ok());
  }

  // What RocksDB must get of [offset, offset + length).
  std::string Expected(uint64_t offset, size_t length) const {
    return offset >= kFileBytes ? "" : content_.substr(offset, length);
  }

  std::string Read(uint64_t offset, size_t length) const {
    std::string scratch(length, '\0');
    rocksdb::Slice result;
    const auto status = file_->Read(offset, length, {}, &result, scratch.data(), nullptr);
    EXPECT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(result.data(), scratch.data());
    return result.ToString();
  }

  std::string path_ = dir_ + "/file";
  std::string content_;
  std::unique_ptr<DirectFileSystem> file_system_;
  std::unique_ptr<rocksdb::FSRandomAccessFile> file_;
};

TEST_P(DirectFileSystemTest, ReadsAnyRange) {
  std::mt19937 random(1);
  for (int i = 0; i < 300; ++i) {
    const uint64_t offset = random() % (kFileBytes + kBlock);
    const size_t length = random() % (3 * kBlock);
    ASSERT_EQ(Read(offset, length), Expected(offset, length)) << offset << " " << length;
  }
  EXPECT_EQ(Read(0, 2 * kFileBytes), content_);
}

TEST_P(DirectFileSystemTest, MultiReadAnswersEachRequest) {
  std::vector<rocksdb::FSReadRequest> requests(500);
  std::vector<std::string> scratch(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].offset = i * 900;
    requests[i].len = 800;
    scratch[i].resize(requests[i].len);
    requests[i].scratch = scratch[i].data();
  }
  ASSERT_TRUE(file_->MultiRead(requests.data(), requests.size(), {}, nullptr).ok());
  for (const auto& request : requests) {
    EXPECT_TRUE(request.status.ok());
    EXPECT_EQ(request.result.ToString(), Expected(request.offset, request.len));
  }
}

TEST_P(DirectFileSystemTest, AFileIsOpenedOnce) {
  int error = 0;
  auto a = file_system_->OpenShared(path_, &error);
  std::filesystem::create_hard_link(path_, path_ + ".link");
  auto b = file_system_->OpenShared(path_ + ".link", &error);
  EXPECT_EQ(a, b);
  // A new file in its place is another.
  std::filesystem::remove(path_);
  std::ofstream(path_) << "new";
  EXPECT_NE(file_system_->OpenShared(path_, &error), a);
  EXPECT_EQ(file_system_->OpenShared(path_ + ".none", &error), nullptr);
  EXPECT_EQ(error, ENOENT);
}

TEST_P(DirectFileSystemTest, MissingFilesAreSaidSo) {
  std::unique_ptr<rocksdb::FSRandomAccessFile> file;
  const auto status = file_system_->NewRandomAccessFile(dir_ + "/none", {}, &file, nullptr);
  EXPECT_TRUE(status.IsPathNotFound()) << status.ToString();
  EXPECT_EQ(file, nullptr);
}

TEST_P(DirectFileSystemTest, ThreadsHaveQueuesOfTheirOwn) {
  ReadQueue* const own = file_system_->ThreadQueue();
  EXPECT_EQ(file_system_->ThreadQueue(), own);
  std::thread([&] { EXPECT_NE(file_system_->ThreadQueue(), own); }).join();
  DirectFileSystem other(rocksdb::FileSystem::Default(), engine_.get(), /*max_kept=*/8);
  EXPECT_NE(other.ThreadQueue(), own);
}

INSTANTIATE_TEST_SUITE_P(Engines, DirectFileSystemTest,
                         testing::Values(Kind::kIoUring, Kind::kPread), EngineName);

}  // namespace
}  // namespace engram::storage
