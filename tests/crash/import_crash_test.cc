// Kills a process that imports, publishes and drops, again and again, and looks at what it left.
//
// The victim works on the store in data/ and acknowledges:
//   "open"                    the store is open
//   "import VERSION SEED"     a version is imported, of rows of that seed, and published
//   "drop VERSION"            a version is dropped
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "storage/tiered_store_impl.h"
#include "tests/crash/crash_testing.h"
#include "tests/storage/store_testing.h"

namespace engram::storage {
namespace {

constexpr char kName[] = "m/layer1";
constexpr uint32_t kSeeds = 3;
constexpr int kKills = kSanitized ? 8 : 40;
constexpr int kMostMilliseconds = 500;  // of a victim's life

TestTable TableOf(uint32_t seed) { return {.key = {.layer = 1, .seed = seed}}; }

std::string SourcePath(const std::string& dir, uint32_t seed) {
  return absl::StrCat(dir, "/layer1_seed", seed, ".npy");
}

std::unique_ptr<TieredStore> OpenStore(const std::string& dir) {
  auto engine = NewReadEngine({});
  auto store = TieredStoreImpl::OpenWith({.data_dir = dir + "/data", .io_threads = 2},
                                         *std::move(engine), {.segment_bytes = 1 << 20});
  EXPECT_TRUE(store.ok()) << store.status();
  return store.ok() ? *std::move(store) : nullptr;
}

absl::StatusOr<TableInfo> ImportSeed(TieredStore* store, const std::string& dir, uint32_t seed) {
  ImportOptions options;
  options.path = SourcePath(dir, seed);
  options.name = kName;
  options.group_size = 8;
  auto imported = store->Import(options, GoOn);
  if (!imported.ok()) {
    return imported.status();
  }
  return imported->front();
}

int ImportAndDrop(const std::string& dir) {
  const auto store = OpenStore(dir);
  if (store == nullptr) {
    return 1;
  }
  Acknowledge("open");
  for (uint32_t seed = 0;; seed = (seed + 1) % kSeeds) {
    const auto info = ImportSeed(store.get(), dir, seed);
    if (!info.ok()) {
      return 2;
    }
    const uint64_t version = info->identity.version;
    Acknowledge(absl::StrCat("import ", version, " ", seed));
    const auto tables = store->ListTables();
    if (tables.size() > 2) {
      const uint64_t oldest = tables.front().identity.version;
      if (!store->Drop(kName, oldest).ok()) {
        return 3;
      }
      Acknowledge(absl::StrCat("drop ", oldest));
    }
  }
}

const RegisterVictim kVictim("import", ImportAndDrop);

class ImportCrashTest : public testing::Test {
 protected:
  ImportCrashTest() {
    for (uint32_t seed = 0; seed < kSeeds; ++seed) {
      WriteNpy(dir_, TableOf(seed));
    }
  }
  ~ImportCrashTest() override { std::filesystem::remove_all(dir_); }

  // Runs a victim and adds what it acknowledged to the books.
  void Kill(absl::Duration life, bool once_open) {
    ++victims_;
    std::istringstream lines(RunVictim("import", dir_, life, once_open));
    for (std::string what; lines >> what;) {
      uint64_t version = 0;
      if (what == "open") {
        ++opened_;
      } else if (what == "import") {
        uint32_t seed = 0;
        lines >> version >> seed;
        seeds_[version] = seed;
        ++imported_;
      } else {
        lines >> version;
        seeds_.erase(version);
      }
    }
  }

  // What is in the store is what was acknowledged, but for the one operation that was under way
  // when a victim died: an import may be complete, or the oldest version dropped, without our
  // knowing.
  void CheckStore(TieredStore* store) {
    std::map<uint64_t, TableInfo> found;
    for (const TableInfo& info : store->ListTables()) {
      found[info.identity.version] = info;
    }
    int unknown = 0;
    for (const auto& [version, info] : found) {
      if (seeds_.count(version) == 0) {
        ++unknown;
        EXPECT_GT(version, last_checked_) << "a version came back";
        seeds_[version] = SeedOf(info);
      }
      CheckTable(store, info, seeds_[version]);
    }
    int lost = 0;
    for (auto it = seeds_.begin(); it != seeds_.end();) {
      if (found.count(it->first) == 0) {
        ++lost;
        EXPECT_EQ(it, seeds_.begin()) << "version " << it->first << " is lost";
        it = seeds_.erase(it);
      } else {
        ++it;
      }
    }
    EXPECT_LE(unknown + lost, victims_);
    victims_ = 0;
    if (!found.empty()) {
      EXPECT_TRUE(found.rbegin()->second.published);
      last_checked_ = found.rbegin()->first;
    }
    const std::string staging = dir_ + "/data/db/staging";
    EXPECT_TRUE(!std::filesystem::exists(staging) || std::filesystem::is_empty(staging));
  }

  static uint32_t SeedOf(const TableInfo& info) {
    for (uint32_t seed = 0; seed < kSeeds; ++seed) {
      if (DigestOf(TableOf(seed)) == info.identity.digest) {
        return seed;
      }
    }
    ADD_FAILURE() << "version " << info.identity.version << " has a digest of no seed";
    return 0;
  }

  static void CheckTable(TieredStore* store, const TableInfo& info, uint32_t seed) {
    const TestTable table = TableOf(seed);
    EXPECT_TRUE(info.identity.digest == DigestOf(table)) << info.identity.version;
    const auto ref = store->OpenTable(kName, info.identity.version);
    ASSERT_TRUE(ref.ok()) << ref.status();
    const absl::Status verified = store->Verify(*ref, GoOnVerifying);
    EXPECT_TRUE(verified.ok()) << verified;
    ExpectRows(store, *ref, table, RandomGroups(table, 20, 8, seed));
  }

  const std::string dir_ = TestDir();
  std::map<uint64_t, uint32_t> seeds_;  // of the versions that must be there
  int victims_ = 0;                     // since the last check
  uint64_t last_checked_ = 0;           // highest version then
  int opened_ = 0;
  int imported_ = 0;
};

TEST_F(ImportCrashTest, KilledAtAnyMomentNothingHalfDoneIsLeft) {
  std::mt19937 random(TestSeed());
  for (int i = 0; i < kKills && !HasFailure(); ++i) {
    SCOPED_TRACE(absl::StrCat("kill ", i));
    Kill(absl::Milliseconds(static_cast<int>(random() % kMostMilliseconds)), i % 4 != 0);
    if (i % 2 == 0) {  // sometimes a victim finds what another left
      const auto store = OpenStore(dir_);
      ASSERT_NE(store, nullptr);
      CheckStore(store.get());
    }
  }
  std::printf("%d victims, %d of them opened the store, %d imports\n", kKills, opened_, imported_);
  EXPECT_GT(opened_, 0);
  EXPECT_GT(imported_, 0);

  const auto store = OpenStore(dir_);
  ASSERT_NE(store, nullptr);
  CheckStore(store.get());
  const auto info = ImportSeed(store.get(), dir_, 0);
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_GT(info->identity.version, last_checked_);
  CheckTable(store.get(), *info, 0);
}

}  // namespace
}  // namespace engram::storage
