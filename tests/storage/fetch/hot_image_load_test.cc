// Goal: a restart takes from the image what the hot set names, and reads only the rest.
#include "storage/fetch/hot_image_load.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "storage/fetch/hot_sets.h"
#include "tests/storage/fetch/hot_testing.h"

namespace engram::storage {
namespace {

namespace fs = std::filesystem;
using hot_testing::AwaitLoaded;
using hot_testing::CountHits;
using hot_testing::Ids;
using hot_testing::NewTable;
using hot_testing::Use;

class HotImageLoadTest : public testing::Test {
 protected:
  HotImageLoadTest() { fs::remove_all(folder_); }
  ~HotImageLoadTest() override { fs::remove_all(folder_); }

  std::unique_ptr<HotSets> NewHotSets(uint64_t image_bytes_per_s = uint64_t{1} << 30) const {
    return std::make_unique<HotSets>(HotSetsOptions{
        .folder = folder_, .period = absl::Hours(1), .image_bytes_per_s = image_bytes_per_s});
  }
  // Leaves a hot set of these rows and, unless the rate is 0, their image.
  void SaveRows(const std::vector<RowId>& ids,
                uint64_t image_bytes_per_s = uint64_t{1} << 30) const {
    const auto table = NewTable();
    const auto hot = NewHotSets(image_bytes_per_s);
    hot->Add(kUid, table);
    Use(*table, ids);
  }
  // A table after a restart, and what it read.
  std::shared_ptr<TableVersion> Restart(const std::shared_ptr<ColdScript>& script) const {
    auto table = NewTable(script);
    const auto hot = NewHotSets();
    hot->Add(kUid, table);
    hot->Start();
    AwaitLoaded(*table);
    return table;
  }
  static size_t CountReads(const ColdScript& script) {
    size_t reads = 0;
    for (const std::vector<RowRead>& call : script.calls()) reads += call.size();
    return reads;
  }
  std::string Content() const {
    std::ifstream in(image_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void SetContent(const std::string& content) const {
    std::ofstream(image_, std::ios::binary) << content;
  }

  static constexpr uint64_t kUid = 3;
  const std::string folder_ = testing::TempDir() + "/hot_image_load_" +
                              testing::UnitTest::GetInstance()->current_test_info()->name();
  const std::string ids_ = absl::StrCat(folder_, "/", kUid);
  const std::string image_ = HotImages::PathOf(folder_, kUid);
  const std::shared_ptr<ColdScript> script_ = std::make_shared<ColdScript>();
};

TEST_F(HotImageLoadTest, WhatTheImageHasIsNotRead) {
  SaveRows(Ids(100, 9000));
  const auto table = Restart(script_);
  EXPECT_EQ(CountHits(*table, Ids(0, 10'000)), 9000U);
  EXPECT_EQ(CountReads(*script_), 0U);
  EXPECT_EQ(table->Stats().fetches, 0U);
}

TEST_F(HotImageLoadTest, WhatIsNewerThanTheImageIsRead) {
  SaveRows(Ids(0, 1000));
  const std::string image = Content();
  SaveRows(Ids(500, 1000), 0);
  SetContent(image);
  const auto table = Restart(script_);
  EXPECT_EQ(CountHits(*table, Ids(500, 1000)), 1000U);
  EXPECT_EQ(CountHits(*table, Ids(0, 500)), 0U) << "evicted since, but back";
  EXPECT_EQ(CountReads(*script_), 500U);
  for (const std::vector<RowRead>& call : script_->calls()) {
    for (const RowRead& read : call) EXPECT_GE(read.row_id, 1000U);
  }
}

TEST_F(HotImageLoadTest, WithoutAHotSetNothingIsLoaded) {
  SaveRows(Ids(0, 1000));
  fs::resize_file(ids_, fs::file_size(ids_) - 1);
  EXPECT_EQ(CountHits(*Restart(script_), Ids(0, 1000)), 0U);
  EXPECT_EQ(CountReads(*script_), 0U);
}

// Whatever is wrong with the image, all rows come back, and they are right.
TEST_F(HotImageLoadTest, WhatIsDamagedIsReadFromTheColdTier) {
  SaveRows(Ids(0, 9000));
  const std::string content = Content();
  const size_t group = 268;
  for (const size_t byte : {size_t{3}, size_t{40}, size_t{66}, size_t{100}, content.size() / 2,
                            content.size() - 100, content.size() - 3}) {
    std::string damaged = content;
    damaged[byte] = static_cast<char>(damaged[byte] ^ 1);
    SetContent(damaged);
    const auto script = std::make_shared<ColdScript>();
    EXPECT_EQ(CountHits(*Restart(script), Ids(0, 9000)), 9000U) << "byte " << byte;
    EXPECT_GE(CountReads(*script), 1U) << "byte " << byte;
    SetContent(content);
  }
  for (const size_t size : {size_t{0}, size_t{64}, 64 + 8 + 10 * group, content.size() - 1}) {
    SetContent(content.substr(0, size));
    const auto script = std::make_shared<ColdScript>();
    EXPECT_EQ(CountHits(*Restart(script), Ids(0, 9000)), 9000U) << "of " << size << " bytes";
    EXPECT_EQ(CountReads(*script), 9000U);
  }
}

TEST_F(HotImageLoadTest, AnImageOfAnotherTableIsIgnored) {
  SaveRows(Ids(0, 1000));
  auto writer = HotImageWriter::Create(
      image_,
      {.table = {.uid = kUid, .digest = {{1}}, .rows = 10'000, .group_size = 1}, .row_bytes = 264},
      7);
  ASSERT_TRUE(writer.ok());
  const std::vector<RowId> ids = Ids(0, 1000);
  ASSERT_TRUE((*writer)->Append(ids, std::vector<std::byte>(1000 * 264)).ok());
  ASSERT_TRUE((*writer)->Commit().ok());
  EXPECT_EQ(CountHits(*Restart(script_), ids), 1000U);
  EXPECT_EQ(CountReads(*script_), 1000U);
}

TEST_F(HotImageLoadTest, ASmallerRamTierIsFilledAndNothingHasToGoForIt) {
  SaveRows(Ids(0, 2000));
  const auto table = NewTable(script_, 256 << 10);
  Use(*table, Ids(5000, 50));
  const auto hot = NewHotSets();
  hot->Add(kUid, table);
  hot->Start();
  AwaitLoaded(*table);
  EXPECT_EQ(CountHits(*table, Ids(5000, 50)), 50U);
  EXPECT_GT(CountHits(*table, Ids(0, 2000)), 300U);
  EXPECT_EQ(table->Stats().ram.evictions, 0U);
  EXPECT_EQ(CountReads(*script_), 0U);
}

TEST_F(HotImageLoadTest, WhereImagesAreOffTheyAreRemoved) {
  SaveRows(Ids(0, 1000));
  ASSERT_TRUE(fs::exists(image_));
  const auto table = NewTable(script_);
  const auto hot = NewHotSets(0);
  hot->Add(kUid, table);
  hot->Start();
  AwaitLoaded(*table);
  EXPECT_FALSE(fs::exists(image_));
  EXPECT_EQ(CountHits(*table, Ids(0, 1000)), 1000U);
}

TEST_F(HotImageLoadTest, ImagesOfDroppedAndUnknownTablesAreRemoved) {
  SaveRows(Ids(0, 1000));
  for (const char* name : {"/4.rows", "/3.rows.tmp", "/03.rows"}) {
    std::ofstream(folder_ + name) << "x";
  }
  const auto table = NewTable(script_);
  auto hot = NewHotSets();
  hot->Add(kUid, table);
  hot->Start();
  AwaitLoaded(*table);
  EXPECT_TRUE(fs::exists(image_));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 2);
  hot->Drop(kUid);
  Use(*table, Ids(2000, 10));
  hot = nullptr;
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 0);
}

// The saver offers a table to the writer of images, which does not wait for the end.
TEST_F(HotImageLoadTest, AnImageFollowsASave) {
  const auto table = NewTable(script_);
  const auto hot = NewHotSets();
  hot->Add(kUid, table);
  Use(*table, Ids(0, 10));
  hot->SaveAll();
  while (!fs::exists(image_)) std::this_thread::yield();
}

}  // namespace
}  // namespace engram::storage
