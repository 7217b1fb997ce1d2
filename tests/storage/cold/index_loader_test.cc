#include "storage/cold/index_loader.h"

#include <gtest/gtest.h>

#include "tests/storage/cold/cold_testing.h"

namespace engram::storage {
namespace {

using Kind = ReadEngineOptions::Kind;

class IndexLoaderTest : public EngineTest {
 protected:
  // A database of one table with more files than RocksDB opens at its start.
  void SetUp() override {
    EngineTest::SetUp();
    if (IsSkipped()) {
      return;
    }
    const TableSpec spec = OpaqueSpec(uint64_t{40} * 16 * 15, 264);
    WriteTable(OpenDb({.segment_bytes = 16 * 4096}).get(), kUid, spec);
    auto instance = Instance::Open(dir_, engine_.get(), rocksdb::FileSystem::Default());
    ASSERT_TRUE(instance.ok()) << instance.status();
    instance_ = *std::move(instance);
  }

  uint64_t IndexBytes(const ColumnFamily& family) {
    uint64_t bytes = 0;
    EXPECT_TRUE(instance_->db()->GetIntProperty(
        family.handle(), rocksdb::DB::Properties::kEstimateTableReadersMem, &bytes));
    return bytes;
  }

  std::shared_ptr<Instance> instance_;
};

TEST_P(IndexLoaderTest, LoadsEveryFile) {
  const auto family = instance_->FindColumnFamily(kUid);
  ASSERT_NE(family, nullptr);
  const auto files = std::make_shared<SstMap>(instance_->db(), family->handle());
  ASSERT_EQ(files->files().size(), 40U);
  const uint64_t before = IndexBytes(*family);
  IndexLoader loader(instance_.get());
  loader.Add(family, files);
  loader.WaitUntilIdle();
  EXPECT_GT(IndexBytes(*family), before * 2);
}

TEST_P(IndexLoaderTest, DoesNotKeepADroppedTable) {
  IndexLoader loader(instance_.get());
  auto family = instance_->FindColumnFamily(kUid);
  const auto files = std::make_shared<SstMap>(instance_->db(), family->handle());
  instance_->DropColumnFamily(family);
  loader.Add(family, files);
  family.reset();
  loader.WaitUntilIdle();
  EXPECT_EQ(CountSstFiles(dir_), 0U);
}

TEST_P(IndexLoaderTest, StopsWithWorkLeft) {
  const auto family = instance_->FindColumnFamily(kUid);
  IndexLoader loader(instance_.get());
  for (int i = 0; i < 100; ++i) {
    loader.Add(family, std::make_shared<SstMap>(instance_->db(), family->handle()));
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, IndexLoaderTest, testing::Values(Kind::kIoUring, Kind::kPread),
                         EngineName);

}  // namespace
}  // namespace engram::storage
