// Goal: what RAM holds comes back, whatever is under way or fails meanwhile.
#include "storage/fetch/hot_sets.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "tests/storage/fetch/hot_testing.h"

namespace engram::storage {
namespace {

using hot_testing::AwaitLoaded;
using hot_testing::CountHits;
using hot_testing::Ids;
using hot_testing::NewTable;
using hot_testing::Use;

namespace fs = std::filesystem;

class HotSetsTest : public testing::Test {
 protected:
  HotSetsTest() { fs::remove_all(folder_); }
  ~HotSetsTest() override { fs::remove_all(folder_); }

  // Saves when told, and at its end.
  std::unique_ptr<HotSets> NewHotSets(FileCalls calls = {}) const {
    return std::make_unique<HotSets>(
        HotSetsOptions{.folder = folder_, .period = absl::Hours(1), .calls = std::move(calls)});
  }
  // Leaves a file behind that names these rows.
  void SaveRows(uint64_t uid, const std::vector<RowId>& ids) const {
    const auto table = NewTable();
    const auto hot = NewHotSets();
    hot->Add(uid, table);
    Use(*table, ids);
  }
  std::string PathOf(uint64_t uid) const { return absl::StrCat(folder_, "/", uid); }

  const std::string folder_ = testing::TempDir() + "/hot_sets_" +
                              testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(HotSetsTest, WhatRamHeldComesBack) {
  SaveRows(3, Ids(100, 2000));
  const auto script = std::make_shared<ColdScript>();
  const auto table = NewTable(script);
  const auto hot = NewHotSets();
  hot->Add(3, table);
  hot->Start();
  AwaitLoaded(*table);
  EXPECT_EQ(CountHits(*table, Ids(0, 3000)), 2000U);
  const TableStats stats = table->Stats();
  EXPECT_EQ(stats.fetches + stats.groups + stats.ram.hits + stats.cold.reads, 0U);
  // All rows were asked for in the order of the disk.
  for (const std::vector<RowRead>& reads : script->calls()) {
    EXPECT_TRUE(std::is_sorted(reads.begin(), reads.end()));
  }
}

TEST_F(HotSetsTest, FilesOfOthersAreRemoved) {
  SaveRows(3, Ids(0, 10));
  SaveRows(4, Ids(0, 10));
  for (const char* name : {"4.tmp", "04", "what"}) std::ofstream(folder_ + "/" + name) << "x";
  auto hot = NewHotSets();
  const auto table = NewTable();
  hot->Add(4, table);
  hot->Start();
  AwaitLoaded(*table);
  hot = nullptr;
  EXPECT_TRUE(fs::exists(PathOf(4)));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(HotSetsTest, ADamagedFileIsForgottenAndReplaced) {
  SaveRows(3, Ids(0, 10));
  fs::resize_file(PathOf(3), fs::file_size(PathOf(3)) - 1);
  const auto table = NewTable();
  auto hot = NewHotSets();
  hot->Add(3, table);
  hot->Start();
  AwaitLoaded(*table);
  EXPECT_EQ(CountHits(*table, Ids(0, 10)), 0U);
  Use(*table, Ids(20, 5));
  hot = nullptr;
  const auto next = NewTable();
  hot = NewHotSets();
  hot->Add(3, next);
  hot->Start();
  AwaitLoaded(*next);
  EXPECT_EQ(CountHits(*next, Ids(0, 100)), 5U);
}

TEST_F(HotSetsTest, ADroppedTableLeavesNothing) {
  const auto table = NewTable();
  auto hot = NewHotSets();
  hot->Add(3, table);
  hot->Start();
  Use(*table, Ids(0, 10));
  hot->SaveAll();
  ASSERT_TRUE(fs::exists(PathOf(3)));
  hot->Drop(3);
  EXPECT_FALSE(fs::exists(PathOf(3)));
  Use(*table, Ids(10, 10));
  hot = nullptr;
  EXPECT_FALSE(fs::exists(PathOf(3)));
}

// A drop in the middle of a save, which would put the file there after it.
TEST_F(HotSetsTest, ATableDroppedWhileItIsSavedLeavesNothing) {
  const auto table = NewTable();
  HotSets* dropping = nullptr;
  FileCalls calls;
  calls.rename = [&](const char* from, const char* to) {
    dropping->Drop(3);
    return ::rename(from, to);
  };
  const auto hot = NewHotSets(calls);
  dropping = hot.get();
  hot->Add(3, table);
  Use(*table, Ids(0, 10));
  hot->SaveAll();
  EXPECT_FALSE(fs::exists(PathOf(3)));
}

TEST_F(HotSetsTest, WhatWasNotUsedIsNotSavedAgain) {
  std::atomic<int> saves = 0;
  FileCalls calls;
  calls.rename = [&](const char* from, const char* to) {
    ++saves;
    return ::rename(from, to);
  };
  const auto table = NewTable();
  const auto hot = NewHotSets(calls);
  hot->Add(3, table);
  hot->SaveAll();
  EXPECT_EQ(saves, 0);
  Use(*table, Ids(0, 10));
  hot->SaveAll();
  hot->SaveAll();
  EXPECT_EQ(saves, 1);
  table->CountFetch(1, 1, 0, absl::ZeroDuration());
  hot->SaveAll();
  EXPECT_EQ(saves, 2);
}

TEST_F(HotSetsTest, AFailedSaveIsTriedAgain) {
  std::atomic<bool> broken = true;
  FileCalls calls;
  calls.fsync = [&](int fd) {
    errno = EIO;
    return broken ? -1 : ::fsync(fd);
  };
  const auto table = NewTable();
  const auto hot = NewHotSets(calls);
  hot->Add(3, table);
  Use(*table, Ids(0, 10));
  hot->SaveAll();
  EXPECT_FALSE(fs::exists(PathOf(3)));
  broken = false;
  hot->SaveAll();
  EXPECT_TRUE(fs::exists(PathOf(3)));
}

// A crash, or a stop, in the middle of a load must not cost what is not loaded yet.
TEST_F(HotSetsTest, WhatIsStillBeingLoadedIsNotSaved) {
  SaveRows(3, Ids(0, 500));
  const uint64_t size = fs::file_size(PathOf(3));
  absl::Notification reading;
  absl::Notification go_on;
  const auto script = std::make_shared<ColdScript>();
  script->on_read = [&](absl::Span<const RowRead> /*reads*/) {
    reading.Notify();
    go_on.WaitForNotification();
    return absl::OkStatus();
  };
  const auto table = NewTable(script);
  const auto hot = NewHotSets();
  hot->Add(3, table);
  hot->Start();
  reading.WaitForNotification();
  EXPECT_GT(table->Stats().loading_groups_left, 0U);
  Use(*table, Ids(1000, 3));
  hot->SaveAll();
  EXPECT_EQ(fs::file_size(PathOf(3)), size);
  go_on.Notify();
  AwaitLoaded(*table);
  EXPECT_EQ(CountHits(*table, Ids(0, 2000)), 503U);
  hot->SaveAll();
  EXPECT_GT(fs::file_size(PathOf(3)), size);
}

TEST_F(HotSetsTest, GroupsThatCannotBeReadStayOnDisk) {
  SaveRows(3, Ids(0, 500));
  const auto script = std::make_shared<ColdScript>();
  script->on_read = [](absl::Span<const RowRead> /*reads*/) { return absl::DataLossError("gone"); };
  const auto table = NewTable(script);
  const auto hot = NewHotSets();
  hot->Add(3, table);
  hot->Start();
  AwaitLoaded(*table);
  EXPECT_EQ(CountHits(*table, Ids(0, 500)), 0U);
}

TEST_F(HotSetsTest, ASmallerRamTierIsFilledAndNothingHasToGoForIt) {
  SaveRows(3, Ids(0, 2000));
  const auto table = NewTable(std::make_shared<ColdScript>(), 256 << 10);
  Use(*table, Ids(5000, 50));
  const auto hot = NewHotSets();
  hot->Add(3, table);
  hot->Start();
  AwaitLoaded(*table);
  EXPECT_EQ(CountHits(*table, Ids(5000, 50)), 50U);
  EXPECT_GT(CountHits(*table, Ids(0, 2000)), 300U);
  EXPECT_EQ(table->Stats().ram.evictions, 0U);
}

TEST_F(HotSetsTest, NothingIsSavedOrLoadedWhereItIsOff) {
  SaveRows(3, Ids(0, 10));
  const uint64_t size = fs::file_size(PathOf(3));
  const auto table = NewTable();
  {
    HotSets hot({.folder = folder_, .period = absl::ZeroDuration()});
    hot.Add(3, table);
    hot.Start();
    EXPECT_EQ(table->loading_groups_left(), 0U);
    Use(*table, Ids(20, 50));
  }
  EXPECT_EQ(fs::file_size(PathOf(3)), size);
}

}  // namespace
}  // namespace engram::storage
