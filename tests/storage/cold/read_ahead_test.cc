#include "storage/cold/read_ahead.h"

#include <cstring>
#include <filesystem>
#include <fstream>

#include "storage/io/readable_file.h"
#include "tests/storage/cold/cold_testing.h"

namespace engram::storage {
namespace {

using Kind = ReadEngineOptions::Kind;

constexpr size_t kBlock = 4096;
constexpr size_t kBlocks = 100;

// A file whose blocks say their number in each word, and the window through which it is read.
class ReadAheadTest : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    const std::string path = dir_ + "/blocks";
    std::filesystem::create_directories(dir_);
    std::ofstream out(path, std::ios::binary);
    for (uint64_t block = 0; block < kBlocks; ++block) {
      for (size_t i = 0; i < kBlock / sizeof(block); ++i) {
        out.write(reinterpret_cast<const char*>(&block), sizeof(block));
      }
    }
    out << "the end";
    out.close();
    int error = 0;
    file_ = ReadableFile::Open(path, /*direct_io=*/true, &error);
    ASSERT_NE(file_, nullptr) << error;
    queue_ = engine_->NewQueue();
  }

  static void ExpectBlock(absl::Span<const std::byte> bytes, uint64_t block) {
    ASSERT_EQ(bytes.size(), kBlock) << block;
    for (size_t at = 0; at < kBlock; at += sizeof(block)) {
      ASSERT_EQ(std::memcmp(&bytes[at], &block, sizeof(block)), 0) << block << " at " << at;
    }
  }

  std::shared_ptr<ReadableFile> file_;
  std::unique_ptr<ReadQueue> queue_;
};

TEST_P(ReadAheadTest, TheWindowWrapsAround) {
  ReadAhead ahead(queue_.get(), kBlock, 5);
  EXPECT_EQ(ahead.capacity(), 5U);
  size_t pushed = 0;
  size_t popped = 0;
  while (popped < kBlocks) {
    while (!ahead.full() && pushed < kBlocks) {
      // Every seventh place holds no read.
      ahead.Push(pushed % 7 == 3 ? nullptr : file_, pushed * kBlock);
      ++pushed;
    }
    const size_t count = ahead.AwaitOldest(3);
    ASSERT_GT(count, 0U);
    for (size_t i = 0; i < count; ++i, ++popped) {
      if (popped % 7 == 3) {
        EXPECT_TRUE(ahead.Oldest(i).empty());
      } else {
        ExpectBlock(ahead.Oldest(i), popped);
      }
    }
    ahead.PopOldest(count);
  }
  EXPECT_EQ(ahead.AwaitOldest(3), 0U);
  EXPECT_EQ(ahead.reads(), kBlocks - kBlocks / 7);
  ahead.Push(file_, 0);  // in flight when it goes away
}

TEST_P(ReadAheadTest, ReadsThatFailOrMeetTheEndAreShort) {
  ReadAhead ahead(queue_.get(), kBlock, 8);
  ahead.Push(file_, kBlocks * kBlock);
  ahead.Push(file_, (kBlocks + 1) * kBlock);
  ahead.Push(file_, 512);  // may be more than the file system can align
  ahead.Push(file_, 7 * kBlock);
  ASSERT_EQ(ahead.AwaitOldest(4), 4U);
  EXPECT_EQ(ahead.Oldest(0).size(), std::strlen("the end"));
  EXPECT_TRUE(ahead.Oldest(1).empty());
  ExpectBlock(ahead.Oldest(3), 7);
}

INSTANTIATE_TEST_SUITE_P(Engines, ReadAheadTest, testing::Values(Kind::kIoUring, Kind::kPread),
                         EngineName);

}  // namespace
}  // namespace engram::storage
