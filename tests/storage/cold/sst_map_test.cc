#include "storage/cold/sst_map.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "storage/cold/page_layout.h"

namespace engram::storage {
namespace {

TEST(ReadByRocksDbTest, KeepsToTheDeadline) {
  const std::string dir = testing::TempDir() + "/read_by_rocksdb";
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* opened = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(options, dir, &opened).ok());
  std::unique_ptr<rocksdb::DB> db(opened);
  const PageKey key = EncodePageKey(7);
  ASSERT_TRUE(db->Put(rocksdb::WriteOptions(), {key.data(), key.size()}, "rows").ok());
  ASSERT_TRUE(db->Flush(rocksdb::FlushOptions()).ok());
  const auto read = [&](absl::Time deadline) {
    rocksdb::PinnableSlice value;
    return ReadByRocksDb(db.get(), db->DefaultColumnFamily(), 7, deadline, &value);
  };
  EXPECT_TRUE(read(absl::Now() + absl::Minutes(10)).ok());
  EXPECT_TRUE(read(absl::InfiniteFuture()).ok());
  const rocksdb::Status late = read(absl::Now() - absl::Seconds(1));
  EXPECT_TRUE(late.IsTimedOut()) << late.ToString();
  db.reset();
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace engram::storage
