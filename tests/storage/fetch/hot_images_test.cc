// Goal: images are written at the pace they were given, and leave nothing behind.
#include "storage/fetch/hot_images.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "tests/storage/fetch/hot_testing.h"

namespace engram::storage {
namespace {

namespace fs = std::filesystem;
using hot_testing::Ids;
using hot_testing::kSpec;
using hot_testing::NewTable;
using hot_testing::Use;

// Time passes while somebody sleeps, and not otherwise.
class FakeTime {
 public:
  absl::Time Now() const {
    absl::MutexLock lock(&mutex_);
    return now_;
  }
  void Sleep(absl::Duration time) {
    absl::MutexLock lock(&mutex_);
    now_ += time;
    longest_ = std::max(longest_, time);
  }
  absl::Duration longest() const {
    absl::MutexLock lock(&mutex_);
    return longest_;
  }

 private:
  mutable absl::Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_) = absl::FromUnixSeconds(1'000'000);
  absl::Duration longest_ ABSL_GUARDED_BY(mutex_);
};

class HotImagesTest : public testing::Test {
 protected:
  HotImagesTest() {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~HotImagesTest() override { fs::remove_all(folder_); }

  std::unique_ptr<HotImages> NewImages(uint64_t bytes_per_s, FileCalls calls = {}) {
    return std::make_unique<HotImages>(
        HotImagesOptions{.folder = folder_,
                         .bytes_per_s = bytes_per_s,
                         .calls = std::move(calls),
                         .now = [this] { return time_.Now(); },
                         .sleep = [this](absl::Duration time) { time_.Sleep(time); }});
  }
  // Calls that tell when an image is in its place, and count.
  FileCalls CountImages() {
    FileCalls calls;
    calls.rename = [this](const char* from, const char* to) {
      const int result = ::rename(from, to);
      {
        absl::MutexLock lock(&mutex_);
        written_.push_back(time_.Now());
      }
      return result;
    };
    return calls;
  }
  // When so many images were in their places.
  std::vector<absl::Time> AwaitImages(size_t count) {
    const auto enough = [&] { return written_.size() >= count; };
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&enough));
    return written_;
  }
  std::string PathOf(uint64_t uid) const { return HotImages::PathOf(folder_, uid); }
  size_t CountFiles() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {}));
  }

  const std::string folder_ = testing::TempDir() + "/hot_images_" +
                              testing::UnitTest::GetInstance()->current_test_info()->name();
  FakeTime time_;
  absl::Mutex mutex_;
  std::vector<absl::Time> written_;
};

// 9,000 rows are 2.4 MB: at 100 KB/s six seconds of writing at four times the rate, and 24 of
// pause.
TEST_F(HotImagesTest, ImagesKeepToTheRate) {
  const auto table = NewTable();
  Use(*table, Ids(0, 9000));
  const absl::Time start = time_.Now();
  const auto images = NewImages(100'000, CountImages());
  images->Offer(3, table);
  const absl::Duration first = AwaitImages(1)[0] - start;
  const double bytes = 9000.0 * (264 + 4);
  EXPECT_GT(first, absl::Seconds(bytes / 400'000 * 0.8));
  EXPECT_LT(first, absl::Seconds(bytes / 400'000 * 1.2));
  images->Offer(3, table);
  const std::vector<absl::Time> written = AwaitImages(2);
  EXPECT_GT(written[1] - written[0], absl::Seconds(bytes / 100'000 * 1.2));
  EXPECT_LT(written[1] - written[0], absl::Seconds(bytes / 100'000 * 1.3));
  EXPECT_LE(time_.longest(), absl::Milliseconds(100));  // so that a stop is prompt
}

TEST_F(HotImagesTest, EachTableHasAnImage) {
  const auto table = NewTable();
  const auto other = NewTable();
  Use(*table, Ids(0, 100));
  Use(*other, Ids(100, 50));
  const auto images = NewImages(1'000'000, CountImages());
  images->Offer(3, table);
  images->Offer(4, other);
  AwaitImages(2);
  images->Stop();
  const auto image = HotImageReader::Open(PathOf(4), HotImages::IdOf(4, *other));
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ((*image)->groups(), 50U);
  EXPECT_TRUE(HotImageReader::Open(PathOf(3), HotImages::IdOf(3, *table)).ok());
}

TEST_F(HotImagesTest, AStopLeavesNoUnfinishedFile) {
  absl::Notification writing;
  const auto table = NewTable();
  Use(*table, Ids(0, 9000));
  FileCalls calls;
  calls.write = [&](int fd, const void* bytes, size_t count) {
    if (!writing.HasBeenNotified()) writing.Notify();
    return ::write(fd, bytes, count);
  };
  auto images = std::make_unique<HotImages>(
      HotImagesOptions{.folder = folder_, .bytes_per_s = 1, .calls = calls});
  images->Offer(3, table);
  writing.WaitForNotification();
  images = nullptr;
  EXPECT_EQ(CountFiles(), 0U);
}

TEST_F(HotImagesTest, AStopWritesWhatIsSmall) {
  const auto table = NewTable();
  Use(*table, Ids(0, 500));
  const auto images = NewImages(1'000'000, CountImages());
  images->Offer(3, table);
  AwaitImages(1);
  images->Stop();
  Use(*table, Ids(500, 500));
  images->Offer(3, table);
  images->WriteLast();
  const auto image = HotImageReader::Open(PathOf(3), HotImages::IdOf(3, *table));
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ((*image)->groups(), 1000U);
  images->WriteLast();
  EXPECT_EQ(AwaitImages(2).size(), 2U);
}

TEST_F(HotImagesTest, ADroppedTableLeavesNothing) {
  const auto table = NewTable();
  Use(*table, Ids(0, 100));
  const auto images = NewImages(1'000'000, CountImages());
  images->Offer(3, table);
  AwaitImages(1);
  images->Offer(3, table);
  images->Drop(3);
  images->Stop();
  images->WriteLast();
  EXPECT_EQ(CountFiles(), 0U);
}

// A drop in the middle of a write, which would put the file there after it.
TEST_F(HotImagesTest, ATableDroppedWhileItIsWrittenLeavesNothing) {
  const auto table = NewTable();
  Use(*table, Ids(0, 100));
  HotImages* dropping = nullptr;
  absl::Notification dropped;
  FileCalls calls;
  calls.rename = [&](const char* from, const char* to) {
    dropping->Drop(3);
    const int result = ::rename(from, to);
    dropped.Notify();
    return result;
  };
  const auto images = NewImages(1'000'000, calls);
  dropping = images.get();
  images->Offer(3, table);
  dropped.WaitForNotification();
  images->Stop();
  EXPECT_EQ(CountFiles(), 0U);
}

TEST_F(HotImagesTest, AFailedWriteLeavesTheImageBefore) {
  const auto table = NewTable();
  Use(*table, Ids(0, 100));
  std::atomic<bool> broken = false;
  std::atomic<int> failures = 0;
  FileCalls calls = CountImages();
  calls.fsync = [&](int fd) {
    if (!broken) return ::fsync(fd);
    ++failures;
    errno = EIO;
    return -1;
  };
  const auto images = NewImages(1'000'000, calls);
  images->Offer(3, table);
  AwaitImages(1);
  broken = true;
  Use(*table, Ids(100, 100));
  images->Offer(3, table);
  while (failures == 0) std::this_thread::yield();
  images->Stop();
  const auto image = HotImageReader::Open(PathOf(3), HotImages::IdOf(3, *table));
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ((*image)->groups(), 100U);
  EXPECT_EQ(CountFiles(), 1U);
}

}  // namespace
}  // namespace engram::storage
