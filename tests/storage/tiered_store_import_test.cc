// Imports, versions and drops; what goes wrong leaves nothing.
#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/checkpoint/checkpoint_writer.h"
#include "rocksdb/file_system.h"
#include "tests/storage/import/model_files_testing.h"
#include "tests/storage/store_testing.h"

namespace engram::storage {
namespace {

using Kind = ReadEngineOptions::Kind;
using testing::ElementsAre;
using testing::SizeIs;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;
constexpr auto kExhausted = absl::StatusCode::kResourceExhausted;
constexpr auto kCancelled = absl::StatusCode::kCancelled;

ImportOptions From(const std::string& path, const std::string& name) {
  ImportOptions options;
  options.path = path;
  options.name = name;
  return options;
}

class TieredStoreImportTest : public StoreTest {
 protected:
  // A checkpoint of two layers of about 24 x `vocab_size` rows in all.
  std::vector<CheckpointTable> WriteCheckpoint(CheckpointGeometry geometry, uint32_t vocab_size) {
    const auto made = MakeCheckpoint({.directory = checkpoint_,
                                      .geometry = geometry,
                                      .vocab_size = vocab_size,
                                      .token_vocab_size = 1'000});
    EXPECT_TRUE(made.ok()) << made.status();
    return made->tables;
  }

  const std::string checkpoint_ = dir_ + "/checkpoint";
};

TEST_P(TieredStoreImportTest, CheckpointsComeOutAsPackedRows) {
  for (const auto geometry : {CheckpointGeometry::kDeepSeekV41, CheckpointGeometry::kQwenPle}) {
    options_.data_dir = absl::StrCat(dir_, "/data", static_cast<int>(geometry));
    std::filesystem::remove_all(checkpoint_);
    const auto tables = WriteCheckpoint(geometry, 500);
    const auto store = Open();
    std::vector<std::string> completed;
    const auto imported =
        store->Import(From(checkpoint_, "m"), [&](const ImportProgress& progress) {
          EXPECT_LE(progress.rows_done, progress.rows_total);
          EXPECT_EQ(progress.bytes_done * progress.rows_total,
                    progress.bytes_total * progress.rows_done);
          if (progress.imported.has_value()) {
            EXPECT_EQ(progress.rows_done, progress.rows_total);
            EXPECT_EQ(progress.table, progress.imported->identity.name);
            completed.push_back(progress.table);
          }
          return true;
        });
    ASSERT_TRUE(imported.ok()) << imported.status();
    ASSERT_EQ(imported->size(), tables.size());
    for (size_t i = 0; i < tables.size(); ++i) {
      const CheckpointTable& table = tables[i];
      EXPECT_EQ(completed[i], absl::StrCat("m/layer", table.key.layer));
      const TestTable expected{.key = table.key, .rows = table.rows, .row_bytes = table.row_bytes};
      const TableRef ref = *store->OpenTable(completed[i]);
      EXPECT_EQ(ref->spec().rows, table.rows);
      EXPECT_EQ(ref->spec().group_size, 8U);
      EXPECT_TRUE(ref->identity().digest == DigestOf(expected));
      EXPECT_TRUE(ref->identity() == (*imported)[i].identity);
      EXPECT_TRUE(store->Verify(ref, GoOnVerifying).ok());
      ExpectRows(store.get(), ref, expected, RandomGroups(expected, 300, 8, 1));
    }
  }
}

TEST_P(TieredStoreImportTest, VersionsCountAndAreNeverUsedAgain) {
  const TestTable first{.key = {.seed = 1}};
  const TestTable second{.key = {.seed = 2}};
  auto store = Open();
  EXPECT_EQ(Import(store.get(), "t", first)->identity().version, 1U);
  EXPECT_EQ(Import(store.get(), "t", second, 1, /*stage_only=*/true)->identity().version, 2U);
  EXPECT_EQ((*store->OpenTable("t"))->identity().version, 1U);

  const auto published = store->Publish("t", 2);
  ASSERT_TRUE(published.ok()) << published.status();
  EXPECT_TRUE(published->published);
  EXPECT_TRUE(published->identity.digest == DigestOf(second));
  EXPECT_GT(published->disk_bytes, 0U);
  ExpectRows(store.get(), *store->OpenTable("t"), second, {0, 1});
  EXPECT_THAT(store->Drop("t", 2), IsError(kPrecondition, "is published"));
  EXPECT_TRUE(store->Publish("t", 1).ok());
  ExpectRows(store.get(), *store->OpenTable("t"), first, {0, 1});

  const auto dropped = store->Drop("t", 2);
  ASSERT_TRUE(dropped.ok()) << dropped.status();
  ASSERT_THAT(*dropped, SizeIs(1));
  EXPECT_EQ(dropped->front().version, 2U);
  EXPECT_THAT(store->OpenTable("t", 2), IsError(kNotFound, "no version 2"));
  EXPECT_THAT(store->Publish("t", 2), IsError(kNotFound, "no version 2"));
  store = nullptr;
  store = Open();
  EXPECT_EQ(Import(store.get(), "t", second)->identity().version, 3U);
  EXPECT_THAT(*store->Drop("t", 0), SizeIs(2));
  EXPECT_THAT(store->Drop("t", 0), IsError(kNotFound, "no table named \"t\""));
  EXPECT_EQ(Import(store.get(), "t", first)->identity().version, 4U);
}

TEST_P(TieredStoreImportTest, ADroppedTableIsReadableWhileItIsHeld) {
  const TestTable table;
  const auto store = Open();
  TableRef ref = Import(store.get(), "t", table);
  ASSERT_TRUE(store->Drop("t", 0).ok());
  EXPECT_THAT(store->ListTables(), SizeIs(0));
  EXPECT_THAT(store->OpenTable("t"), IsError(kNotFound, "no table named"));
  ExpectRows(store.get(), ref, table, AllIds(table));
  EXPECT_TRUE(store->Verify(ref, GoOnVerifying).ok());
  EXPECT_GT(CountSstFiles(data_dir()), 0U);
  ref.reset();
  while (CountSstFiles(data_dir()) > 0) {  // an index may be loading
    std::this_thread::yield();
  }
  ExpectNothingLeft(*store);
}

TEST_P(TieredStoreImportTest, ATableDroppedInUseIsGoneAfterReopening) {
  {
    auto store = Open();
    const TableRef ref = Import(store.get(), "t", {});
    ASSERT_TRUE(store->Drop("t", 0).ok());
    store.reset();
  }
  ExpectNothingLeft(*Open());
}

// Readers see one version or the other, whole, while versions come and go.
TEST_P(TieredStoreImportTest, PublishAndRollbackUnderReaders) {
  const std::vector<TestTable> versions = {{.key = {.seed = 1}}, {.key = {.seed = 2}}};
  options_.ram_budget_bytes = 4 * kMiB;
  const auto store = Open();
  Import(store.get(), "t", versions[0], 8);
  Import(store.get(), "t", versions[1], 8);
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> fetches[2] = {0, 0};
  std::vector<std::jthread> readers;
  for (uint32_t r = 0; r < 3; ++r) {
    readers.emplace_back([&, r] {
      for (uint32_t i = 0; !stop; ++i) {
        const auto ref = store->OpenTable("t");
        ASSERT_TRUE(ref.ok()) << ref.status();
        const size_t version = (*ref)->identity().version - 1;
        ExpectRows(store.get(), *ref, versions[version],
                   RandomGroups(versions[version], 10, 8, r * 100'000 + i % 50));
        ++fetches[version];
      }
    });
  }
  for (uint64_t i = 0; i < 40; ++i) {
    const uint64_t version = i % 2 + 1;
    ASSERT_TRUE(store->Publish("t", version).ok());
    const uint64_t before = fetches[version - 1];
    while (fetches[version - 1] < before + 5) {
      std::this_thread::yield();
    }
  }
  stop = true;
}

TEST_P(TieredStoreImportTest, ACancelledImportLeavesNothing) {
  const auto store = Open();
  int calls = 0;
  const auto imported =
      store->Import(From(WriteSparseNpy(dir_, 1 << 19), "t"), [&](const ImportProgress& progress) {
        EXPECT_EQ(progress.table, "t");
        EXPECT_EQ(progress.bytes_total, 2048 * kMiB);
        ++calls;
        return false;
      });
  EXPECT_THAT(imported, IsError(kCancelled, "importing table \"t\": import cancelled"));
  EXPECT_GT(calls, 0);
  ExpectNothingLeft(*store);
  EXPECT_EQ(Import(store.get(), "t", {})->identity().version, 1U);
}

TEST_P(TieredStoreImportTest, ACheckpointIsImportedAsAWholeOrNotAtAll) {
  WriteCheckpoint(CheckpointGeometry::kDeepSeekV41, 100);
  const auto store = Open();
  const auto stop_at = [](const std::string& table) {
    return [table](const ImportProgress& progress) {
      return progress.imported.has_value() || progress.table != table;
    };
  };
  EXPECT_THAT(store->Import(From(checkpoint_, "m"), stop_at("m/layer14")),
              IsError(kCancelled, "importing table \"m/layer14\""));
  ExpectNothingLeft(*store);
  EXPECT_TRUE(store->Import(From(checkpoint_, "m"), GoOn).ok());
  EXPECT_THAT(store->ListTables(), SizeIs(2));
  // A second one that fails leaves both as they were.
  EXPECT_FALSE(store->Import(From(checkpoint_, "m"), stop_at("m/layer14")).ok());
  EXPECT_THAT(store->ListTables(), SizeIs(2));
  EXPECT_EQ((*store->OpenTable("m/layer1", 0))->identity().version, 1U);
}

TEST_P(TieredStoreImportTest, OneImportOfATableAtATime) {
  const auto store = Open();
  const std::string other = WriteNpy(dir_, {});
  const auto imported = store->Import(
      From(WriteSparseNpy(dir_, 1 << 19), "t"), [&](const ImportProgress& /*progress*/) {
        EXPECT_THAT(
            store->Import(From(other, "t"), GoOn),
            IsError(absl::StatusCode::kAlreadyExists, "an import of table \"t\" is running"));
        EXPECT_TRUE(store->Import(From(other, "u"), GoOn).ok());
        return false;
      });
  EXPECT_THAT(imported, IsError(kCancelled, "\"t\""));
  EXPECT_THAT(store->ListTables(), SizeIs(1));
  EXPECT_TRUE(store->Import(From(other, "t"), GoOn).ok());
}

TEST_P(TieredStoreImportTest, ABadSourceLeavesNothing) {
  const auto store = Open();
  const TestTable table;
  const std::string path = WriteNpy(dir_, table);
  EXPECT_THAT(store->Import(From(path + ".nowhere", "t"), GoOn), IsError(kNotFound, ".nowhere"));
  EXPECT_THAT(store->Import(From(path, "../t"), GoOn), IsError(kInvalid, "../t"));
  std::filesystem::resize_file(path, 1000);
  EXPECT_THAT(store->Import(From(path, "t"), GoOn), IsError(kInvalid, path));
  ExpectNothingLeft(*store);
}

TEST_P(TieredStoreImportTest, ASourceThatShrinksLeavesNothing) {
  const auto store = Open();
  const std::string path = WriteSparseNpy(dir_, 1 << 19);
  EXPECT_THAT(store->Import(From(path, "t"),
                            [&](const ImportProgress& /*progress*/) {
                              std::filesystem::resize_file(path, 1000);
                              return true;
                            }),
              IsError(kDataLoss, path));
  ExpectNothingLeft(*store);
}

TEST_P(TieredStoreImportTest, ATableLargerThanTheDiskIsRefusedAtOnce) {
  const uint64_t available = std::filesystem::space(dir_).available;
  const auto store = Open();
  const auto imported = store->Import(From(WriteSparseNpy(dir_, available / 4096 + 1'000'000), "t"),
                                      [](const ImportProgress& /*progress*/) {
                                        ADD_FAILURE() << "not at once";
                                        return false;
                                      });
  EXPECT_THAT(imported, IsError(kExhausted, "bytes of disk"));
  ExpectNothingLeft(*store);
}

// A disk that tells that it is full while `full` is set.
class SmallDisk final : public rocksdb::FileSystemWrapper {
 public:
  explicit SmallDisk(const std::atomic<bool>* full)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), full_(full) {}
  const char* Name() const override { return "SmallDisk"; }

  rocksdb::IOStatus GetFreeSpace(const std::string& path, const rocksdb::IOOptions& options,
                                 uint64_t* bytes, rocksdb::IODebugContext* debug) override {
    auto status = FileSystemWrapper::GetFreeSpace(path, options, bytes, debug);
    *bytes = *full_ ? 0 : *bytes;
    return status;
  }

 private:
  const std::atomic<bool>* const full_;
};

TEST_P(TieredStoreImportTest, ADiskThatFillsUpLeavesNothingAndReadsGoOn) {
  std::atomic<bool> full = false;
  database_.file_system = std::make_shared<SmallDisk>(&full);
  const auto store = Open();
  const TestTable table;
  const TableRef ref = Import(store.get(), "t", table);
  const size_t files = CountSstFiles(data_dir());
  const std::string path = WriteSparseNpy(dir_, 1 << 19);
  const auto imported = store->Import(From(path, "u"), [&](const ImportProgress& /*progress*/) {
    full = true;
    return true;
  });
  EXPECT_THAT(imported, IsError(kExhausted, "importing table \"u\""));
  EXPECT_EQ(CountSstFiles(data_dir()), files);
  ExpectRows(store.get(), ref, table, AllIds(table));
  EXPECT_THAT(store->Import(From(path, "u"), GoOn), IsError(kExhausted, "\"u\""));
  EXPECT_THAT(store->Publish("t", 1), IsError(kExhausted, "is full"));
  EXPECT_THAT(store->Drop("t", 1), IsError(kExhausted, "is full"));
  ASSERT_THAT(store->ListTables(), SizeIs(1));
  full = false;
  Import(store.get(), "u", table);
  EXPECT_TRUE(store->Drop("t", 1).ok());
}

INSTANTIATE_TEST_SUITE_P(Engines, TieredStoreImportTest,
                         testing::Values(Kind::kIoUring, Kind::kPread), EngineName);

}  // namespace
}  // namespace engram::storage
