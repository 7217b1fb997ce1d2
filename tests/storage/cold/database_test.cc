// The catalog, and the life of tables: imports that end half-way, drops, disks that fill up.
#include "storage/cold/database.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "rocksdb/file_system.h"
#include "tests/storage/cold/cold_testing.h"

namespace engram::storage {
namespace {

using Kind = ReadEngineOptions::Kind;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

class DatabaseTest : public EngineTest {};

TEST_P(DatabaseTest, CatalogIsKeptInKeyOrder) {
  {
    const auto database = OpenDb();
    ASSERT_TRUE(database->WriteCatalog({{"t/b", "2"}, {"t/a", "1"}, {"u", "3"}}).ok());
    ASSERT_TRUE(database->WriteCatalog({{"t/b", "4"}, {"u", std::nullopt}}).ok());
  }
  const auto database = OpenDb();
  EXPECT_THAT(*database->ReadCatalog("t/"), ElementsAre(Pair("t/a", "1"), Pair("t/b", "4")));
  EXPECT_THAT(*database->ReadCatalog(""), testing::SizeIs(2));
  EXPECT_THAT(*database->ReadCatalog("v"), IsEmpty());
}

TEST_P(DatabaseTest, OnlyOneAtATime) {
  const auto database = OpenDb();
  const auto second = OpenDatabase(dir_, engine_.get(), {});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(second.status().message(), HasSubstr("another process has the database open"));
  EXPECT_THAT(second.status().message(), HasSubstr(dir_));
}

TEST_P(DatabaseTest, TrailingSlashesOfTheDirectoryDoNotMatter) {
  const TableSpec spec = OpaqueSpec(100, 264);
  const auto database = OpenDatabase(dir_ + "//", engine_.get(), {});
  ASSERT_TRUE(database.ok()) << database.status();
  const auto table = WriteTable(database->get(), kUid, spec);
  size_t wrong = 0;
  ColdReadStats stats;
  EXPECT_TRUE(ReadAndCheck(table.get(), spec, {1, 99}, &wrong, &stats).ok());
  EXPECT_EQ(stats.read_again, 0U);
}

TEST_P(DatabaseTest, AMissingTableIsDataLoss) {
  const auto database = OpenDb();
  const auto table = database->OpenTable(12, OpaqueSpec(1, 1));
  EXPECT_EQ(table.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(table.status().message(), HasSubstr("cold.12"));
}

TEST_P(DatabaseTest, ATableThatLacksPagesIsDataLoss) {
  const TableSpec spec = OpaqueSpec(100, 264);
  TableSpec larger = spec;
  larger.rows = 200;
  const auto database = OpenDb();
  WriteTable(database.get(), kUid, spec).reset();
  const auto table = database->OpenTable(kUid, larger);
  EXPECT_EQ(table.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(table.status().message(), HasSubstr("lacks page 7 of 14"));
  EXPECT_TRUE(database->OpenTable(kUid, spec).ok());
}

TEST_P(DatabaseTest, AUidIsTakenOnce) {
  const TableSpec spec = OpaqueSpec(100, 264);
  const auto database = OpenDb();
  auto writer = database->NewTable(kUid, spec);
  ASSERT_TRUE(writer.ok());
  EXPECT_EQ(database->NewTable(kUid, spec).status().code(), absl::StatusCode::kAlreadyExists);
  writer->reset();
  const auto table = WriteTable(database.get(), kUid, spec);
  EXPECT_EQ(database->NewTable(kUid, spec).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_P(DatabaseTest, ACancelledWriterLeavesNothing) {
  const TableSpec spec = OpaqueSpec(20'000, 264);
  const auto database = OpenDb({.segment_bytes = 1 << 20});
  auto writer = database->NewTable(kUid, spec);
  ASSERT_TRUE(writer.ok());
  EXPECT_EQ((*writer)->segment_count(), 6U);
  EXPECT_EQ((*writer)->pages_per_segment(), 256U);
  ASSERT_TRUE(WriteSegments(writer->get(), spec).ok());
  EXPECT_EQ(CountSstFiles(dir_), 6U);
  writer->reset();
  EXPECT_EQ(CountSstFiles(dir_), 0U);
  EXPECT_FALSE(database->OpenTable(kUid, spec).ok());
}

TEST_P(DatabaseTest, AMissingSegmentFailsFinishAndLeavesNothing) {
  const TableSpec spec = OpaqueSpec(20'000, 264);
  const auto database = OpenDb({.segment_bytes = 1 << 20});
  auto writer = database->NewTable(kUid, spec);
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE(WriteSegments(writer->get(), spec).ok());
  std::filesystem::remove(dir_ + "/staging/7/3.sst");
  EXPECT_EQ((*writer)->Finish().status().code(), absl::StatusCode::kDataLoss);
  writer->reset();
  EXPECT_EQ(CountSstFiles(dir_), 0U);
  EXPECT_NE(WriteTable(database.get(), kUid, spec), nullptr);
}

TEST_P(DatabaseTest, UnknownTablesAndUnfinishedFilesAreRemoved) {
  const TableSpec spec = OpaqueSpec(1'000, 264);
  {
    const auto database = OpenDb();
    WriteTable(database.get(), 1, spec);
    WriteTable(database.get(), 2, spec);
  }
  std::filesystem::create_directories(dir_ + "/staging/9");
  std::filesystem::copy_file(FindRow(dir_, spec, 0).path, dir_ + "/staging/9/0.sst");
  const auto database = OpenDb();
  auto writer = database->NewTable(3, spec);
  ASSERT_TRUE(WriteSegments(writer->get(), spec).ok());
  EXPECT_EQ(CountSstFiles(dir_), 4U);
  ASSERT_TRUE(database->DropUnknownTables({2}).ok());
  EXPECT_FALSE(database->OpenTable(1, spec).ok());
  EXPECT_TRUE(database->OpenTable(2, spec).ok());
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/staging/9"));
  EXPECT_TRUE((*writer)->Finish().ok());
  EXPECT_EQ(CountSstFiles(dir_), 2U);
}

TEST_P(DatabaseTest, ADroppedTableIsReadableUntilItIsDestroyed) {
  const TableSpec spec = OpaqueSpec(1'000, 264);
  const auto database = OpenDb();
  auto table = WriteTable(database.get(), kUid, spec);
  table->MarkDropped();
  EXPECT_FALSE(database->OpenTable(kUid, spec).ok());
  size_t wrong = 0;
  EXPECT_TRUE(ReadAndCheck(table.get(), spec, {0, 999}, &wrong).ok());
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(CountSstFiles(dir_), 1U);
  table.reset();
  // A dropped table's index may be loading: its file goes when that is done.
  const auto same = WriteTable(database.get(), kUid + 1, spec);
  EXPECT_NE(same, nullptr);
}

TEST_P(DatabaseTest, ADropSurvivesReopening) {
  const TableSpec spec = OpaqueSpec(1'000, 264);
  {
    const auto database = OpenDb();
    WriteTable(database.get(), kUid, spec)->MarkDropped();
  }
  EXPECT_EQ(CountSstFiles(dir_), 0U);
  EXPECT_FALSE(OpenDb()->OpenTable(kUid, spec).ok());
}

// A disk on which writes fail while `full` is set; it may tell in time how little space is left.
class FullDisk final : public rocksdb::FileSystemWrapper {
 public:
  FullDisk(const std::atomic<bool>* full, bool tells_space)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), full_(full), tells_space_(tells_space) {}
  const char* Name() const override { return "FullDisk"; }

  rocksdb::IOStatus GetFreeSpace(const std::string& path, const rocksdb::IOOptions& options,
                                 uint64_t* bytes, rocksdb::IODebugContext* debug) override {
    auto status = FileSystemWrapper::GetFreeSpace(path, options, bytes, debug);
    *bytes = *full_ && tells_space_ ? 1000 : *bytes;
    return status;
  }

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override {
    auto status = FileSystemWrapper::NewWritableFile(path, options, file, debug);
    if (status.ok()) {
      *file = std::make_unique<File>(std::move(*file), full_);
    }
    return status;
  }

 private:
  class File final : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    File(std::unique_ptr<rocksdb::FSWritableFile> base, const std::atomic<bool>* full)
        : FSWritableFileOwnerWrapper(std::move(base)), full_(full) {}
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override {
      return *full_ ? rocksdb::IOStatus::NoSpace("No space left on device")
                    : FSWritableFileOwnerWrapper::Append(data, options, debug);
    }
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             const rocksdb::DataVerificationInfo& info,
                             rocksdb::IODebugContext* debug) override {
      return *full_ ? rocksdb::IOStatus::NoSpace("No space left on device")
                    : FSWritableFileOwnerWrapper::Append(data, options, info, debug);
    }

   private:
    const std::atomic<bool>* const full_;
  };

  const std::atomic<bool>* const full_;
  const bool tells_space_;
};

TEST_P(DatabaseTest, ANearlyFullDiskIsNotWrittenTo) {
  const TableSpec spec = OpaqueSpec(20'000, 264);
  std::atomic<bool> full = false;
  const auto database = OpenDb({.file_system = std::make_shared<FullDisk>(&full, true)});
  auto writer = database->NewTable(kUid, spec);
  full = true;
  const auto status = WriteSegments(writer->get(), spec);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(status.message(), HasSubstr("1000 bytes are free"));
  EXPECT_EQ(database->WriteCatalog({{"key", "value"}}).code(),
            absl::StatusCode::kResourceExhausted);
  writer->reset();
  EXPECT_EQ(CountSstFiles(dir_), 0U);
  full = false;
  EXPECT_TRUE(database->WriteCatalog({{"key", "value"}}).ok());
  EXPECT_NE(WriteTable(database.get(), kUid, spec), nullptr);
}

TEST_P(DatabaseTest, OnAFullDiskItIsNotOpened) {
  OpenDb();
  std::atomic<bool> full = true;
  const auto database =
      OpenDatabase(dir_, engine_.get(), {.file_system = std::make_shared<FullDisk>(&full, true)});
  EXPECT_EQ(database.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(
      database.status().message(),
      testing::AllOf(HasSubstr("1000 bytes are free, and 16777216 are needed"), HasSubstr(dir_)));
  EXPECT_NE(OpenDb(), nullptr);
}

TEST_P(DatabaseTest, AnImportThatFillsTheDiskLeavesNothing) {
  const TableSpec spec = OpaqueSpec(20'000, 264);
  std::atomic<bool> full = false;
  const auto database = OpenDb({.file_system = std::make_shared<FullDisk>(&full, false)});
  auto writer = database->NewTable(kUid, spec);
  full = true;
  const auto status = WriteSegments(writer->get(), spec);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(status.message(), HasSubstr("staging/7/0.sst"));
  writer->reset();
  EXPECT_EQ(CountSstFiles(dir_), 0U);
  full = false;
  EXPECT_TRUE(database->WriteCatalog({{"key", "value"}}).ok());
  EXPECT_NE(WriteTable(database.get(), kUid, spec), nullptr);
}

TEST_P(DatabaseTest, AFailedCatalogWriteStopsWritesUntilReopening) {
  const TableSpec spec = OpaqueSpec(20'000, 264);
  std::atomic<bool> full = false;
  auto database = OpenDb({.file_system = std::make_shared<FullDisk>(&full, false)});
  auto table = WriteTable(database.get(), kUid, spec);
  ASSERT_TRUE(database->WriteCatalog({{"before", "1"}}).ok());
  full = true;
  EXPECT_EQ(database->WriteCatalog({{"key", "value"}}).code(),
            absl::StatusCode::kResourceExhausted);
  full = false;
  const auto status = database->WriteCatalog({{"key", "value"}});
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("takes no writes until it is opened again"));
  auto writer = database->NewTable(kUid + 1, spec);
  EXPECT_FALSE(WriteSegments(writer->get(), spec).ok());
  EXPECT_FALSE((*writer)->Finish().ok());
  writer->reset();
  size_t wrong = 0;
  EXPECT_TRUE(ReadAndCheck(table.get(), spec, {0, 19'999}, &wrong).ok());
  EXPECT_EQ(wrong, 0U);
  table->MarkDropped();
  table.reset();
  database.reset();

  database = OpenDb();
  EXPECT_THAT(*database->ReadCatalog("before"), ElementsAre(Pair("before", "1")));
  EXPECT_TRUE(database->WriteCatalog({{"key", "value"}}).ok());
  EXPECT_TRUE(database->OpenTable(kUid, spec).ok());
  EXPECT_NE(WriteTable(database.get(), kUid + 1, spec), nullptr);
}

TEST_P(DatabaseTest, AFailedManifestWriteStopsWritesUntilReopening) {
  const TableSpec spec = OpaqueSpec(20'000, 264);
  std::atomic<bool> full = false;
  auto database = OpenDb({.file_system = std::make_shared<FullDisk>(&full, false)});
  auto writer = database->NewTable(kUid, spec);
  ASSERT_TRUE(WriteSegments(writer->get(), spec).ok());
  full = true;
  EXPECT_EQ((*writer)->Finish().status().code(), absl::StatusCode::kResourceExhausted);
  full = false;
  EXPECT_FALSE(database->WriteCatalog({{"key", "value"}}).ok());
  writer->reset();
  EXPECT_EQ(CountSstFiles(dir_), 0U);
  database.reset();
  database = OpenDb();
  EXPECT_TRUE(database->DropUnknownTables({}).ok());
  EXPECT_NE(WriteTable(database.get(), kUid, spec), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Engines, DatabaseTest, testing::Values(Kind::kIoUring, Kind::kPread),
                         EngineName);

// Exits with 0 if a user without rights is told so.
[[noreturn]] void OpenAsNobody(const std::string& dir) {
  constexpr uid_t kNobody = 65534;
  if (geteuid() == 0 && setresuid(kNobody, kNobody, kNobody) != 0) {
    std::exit(2);
  }
  const auto engine = NewReadEngine({.kind = Kind::kPread});
  const auto status = Database::Open(dir, engine->get()).status();
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::_Exit(status.code() == absl::StatusCode::kPermissionDenied ? 0 : 1);
}

TEST(PermissionDeathTest, ADirectoryOfAnotherUserIsRefused) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const std::string dir = TestDir();
  std::filesystem::permissions(
      dir, std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec |
               std::filesystem::perms::others_read | std::filesystem::perms::others_exec);
  EXPECT_EXIT(OpenAsNobody(dir), testing::ExitedWithCode(0), "PERMISSION_DENIED.*" + dir);
  std::filesystem::permissions(dir, std::filesystem::perms::owner_all);
}

// Writes numbered records until killed; says on a file which of them were acknowledged.
[[noreturn]] void WriteUntilKilled(const std::string& dir) {
  constexpr int kRecordsBeforeTheKill = 200;
  const auto engine = NewReadEngine({.kind = Kind::kPread});
  const auto database = Database::Open(dir, engine->get());
  std::FILE* acknowledged = std::fopen((dir + "/acknowledged").c_str(), "w");
  std::atomic<int> written = 0;
  std::thread killer([&written] {
    while (written < kRecordsBeforeTheKill) {
    }
    raise(SIGKILL);
  });
  for (int i = 0;; ++i) {
    const std::string name = std::to_string(i);
    if (!(*database)->WriteCatalog({{"a/" + name, name}, {"b/" + name, name}}).ok()) {
      std::_Exit(1);
    }
    std::fprintf(acknowledged, "%d\n", i);
    std::fflush(acknowledged);
    written = i;
  }
}

TEST(CatalogDeathTest, KilledWhileWritingLosesNothingAcknowledged) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const std::string dir = TestDir();
  EXPECT_EXIT(WriteUntilKilled(dir), testing::KilledBySignal(SIGKILL), "");
  std::FILE* file = std::fopen((dir + "/acknowledged").c_str(), "r");
  ASSERT_NE(file, nullptr);
  size_t acknowledged = 0;
  for (int i = 0; std::fscanf(file, "%d", &i) == 1;) {
    ++acknowledged;
  }
  std::fclose(file);
  EXPECT_GE(acknowledged, 200U);

  const auto engine = NewReadEngine({.kind = Kind::kPread});
  const auto database = Database::Open(dir, engine->get());
  ASSERT_TRUE(database.ok()) << database.status();
  const auto a = (*database)->ReadCatalog("a/");
  const auto b = (*database)->ReadCatalog("b/");
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_GE(a->size(), acknowledged);
  EXPECT_LE(a->size(), acknowledged + 1);
  ASSERT_EQ(a->size(), b->size());  // both of a write, or none
  for (const auto& [key, value] : *a) {
    EXPECT_EQ(key, "a/" + value);
  }
}

}  // namespace
}  // namespace engram::storage
