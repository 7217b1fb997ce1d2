#include "tests/storage/store_testing.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "storage/row_digest.h"
#include "storage/tiered_store_impl.h"
#include "tests/storage/import/model_files_testing.h"

namespace engram::storage {
namespace {

std::vector<std::byte> AllRows(const TestTable& table) {
  std::vector<std::byte> rows(table.rows * table.row_bytes);
  FillSelfDescribingPlane(table.key, 0, 0, table.row_bytes, absl::MakeSpan(rows));
  return rows;
}

std::string NpyStart(uint64_t rows, uint32_t row_bytes) {
  return NpyBytes(1, NpyHeader(absl::StrCat("|V", row_bytes), absl::StrCat("(", rows, ",)")), "");
}

}  // namespace

uint32_t TestSeed() {
  const int flag = GTEST_FLAG_GET(random_seed);
  const uint32_t seed = flag == 0 ? 1 : static_cast<uint32_t>(flag);
  std::printf("seed %u: --gtest_random_seed takes another\n", seed);
  return seed;
}

std::string WriteNpy(const std::string& dir, const TestTable& table) {
  const std::string path =
      absl::StrCat(dir, "/layer", table.key.layer, "_seed", table.key.seed, ".npy");
  const std::vector<std::byte> rows = AllRows(table);
  std::ofstream file(path, std::ios::binary);
  file << NpyStart(table.rows, table.row_bytes);
  file.write(reinterpret_cast<const char*>(rows.data()), static_cast<std::streamsize>(rows.size()));
  file.close();
  EXPECT_TRUE(file.good()) << path;
  return path;
}

std::string WriteSparseNpy(const std::string& dir, uint64_t rows) {
  constexpr uint32_t kRowBytes = 4096;
  const std::string path = absl::StrCat(dir, "/sparse.npy");
  const std::string start = NpyStart(rows, kRowBytes);
  std::ofstream(path, std::ios::binary) << start;
  std::filesystem::resize_file(path, start.size() + rows * kRowBytes);
  return path;
}

Digest DigestOf(const TestTable& table) {
  RowDigest digest;
  digest.Update(AllRows(table));
  return digest.Finish();
}

std::vector<RowId> AllIds(const TestTable& table) {
  std::vector<RowId> ids(table.rows);
  for (size_t i = 0; i < ids.size(); ++i) {
    ids[i] = static_cast<RowId>(i);
  }
  return ids;
}

std::vector<RowId> RandomGroups(const TestTable& table, size_t groups, uint32_t group_size,
                                uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<RowId> ids(groups * group_size);
  for (RowId& id : ids) {
    id = static_cast<RowId>(random() % table.rows);
  }
  return ids;
}

bool GoOn(const ImportProgress& /*progress*/) { return true; }
bool GoOnVerifying(uint64_t /*rows_done*/) { return true; }

Fetched FetchRows(TieredStore* store, const TableRef& table, const std::vector<RowId>& ids,
                  absl::Time deadline) {
  Fetched fetched;
  fetched.rows.resize(ids.size() * table->spec().row_bytes, std::byte{0xEE});
  fetched.tiers.resize(ids.size() / table->spec().group_size);
  absl::Notification done;
  store->Fetch({.table = table,
                .row_ids = ids,
                .rows = absl::MakeSpan(fetched.rows),
                .tiers = absl::MakeSpan(fetched.tiers),
                .deadline = deadline},
               [&](absl::Status status) {
                 fetched.status = std::move(status);
                 done.Notify();
               });
  done.WaitForNotification();
  return fetched;
}

size_t ExpectRows(TieredStore* store, const TableRef& table, const TestTable& expected,
                  const std::vector<RowId>& ids) {
  const Fetched fetched = FetchRows(store, table, ids);
  EXPECT_TRUE(fetched.status.ok()) << fetched.status;
  const absl::Status same =
      CheckSelfDescribingRows(expected.key, ids, fetched.rows, expected.row_bytes);
  EXPECT_TRUE(same.ok()) << same;
  size_t from_ram = 0;
  for (const Tier tier : fetched.tiers) {
    EXPECT_TRUE(tier == Tier::kRam || tier == Tier::kWarm || tier == Tier::kCold);
    from_ram += tier == Tier::kRam ? 1 : 0;
  }
  return from_ram;
}

TableStats StatsOf(const TieredStore& store, const std::string& name, uint64_t version) {
  for (TableStats& stats : store.Stats().tables) {
    if (stats.identity.name == name && stats.identity.version == version) {
      return std::move(stats);
    }
  }
  ADD_FAILURE() << "no stats of " << name << " v" << version;
  return {};
}

void AwaitWhole(const TieredStore& store, const std::string& name, uint64_t version) {
  for (;;) {
    const TableStats stats = StatsOf(store, name, version);
    if (stats.ram.rows == stats.spec.rows) {
      return;
    }
    std::this_thread::yield();
  }
}

RowPlace FindTestRow(const std::string& dir, const TestTable& table, RowId row) {
  std::string wanted(table.row_bytes, '\0');
  FillSelfDescribingRow(table.key, row,
                        {reinterpret_cast<std::byte*>(wanted.data()), wanted.size()});
  return FindBytes(dir, wanted);
}

absl::StatusOr<std::unique_ptr<TieredStore>> StoreTest::TryOpen(ReadFault fault) {
  auto engine = fault == nullptr ? NewReadEngine({.kind = GetParam(), .pread_threads = 4})
                                 : NewFaultyEngine(engine_.get(), std::move(fault));
  if (!engine.ok()) {
    return engine.status();
  }
  return TieredStoreImpl::OpenWith(options_, *std::move(engine), database_);
}

std::unique_ptr<TieredStore> StoreTest::Open(ReadFault fault) {
  auto store = TryOpen(std::move(fault));
  EXPECT_TRUE(store.ok()) << store.status();
  return store.ok() ? *std::move(store) : nullptr;
}

TableRef StoreTest::Import(TieredStore* store, const std::string& name, const TestTable& table,
                           uint32_t group_size, bool stage_only) {
  ImportOptions options;
  options.path = WriteNpy(dir_, table);
  options.name = name;
  options.group_size = group_size;
  options.stage_only = stage_only;
  const auto imported = store->Import(options, GoOn);
  EXPECT_TRUE(imported.ok()) << imported.status();
  if (!imported.ok() || imported->size() != 1) {
    return nullptr;
  }
  auto ref = store->OpenTable(name, imported->front().identity.version);
  EXPECT_TRUE(ref.ok()) << ref.status();
  return ref.ok() ? *std::move(ref) : nullptr;
}

uint64_t StoreTest::WarmBytesOnDisk() const {
  namespace fs = std::filesystem;
  uint64_t bytes = 0;
  std::error_code gone;  // files come and go meanwhile
  fs::recursive_directory_iterator file(data_dir() + "/warm", gone);
  while (!gone && file != fs::recursive_directory_iterator()) {
    std::error_code no_size;
    const uint64_t size = file->path().extension() == ".sst" ? file->file_size(no_size) : 0;
    bytes += no_size ? 0 : size;
    file.increment(gone);
  }
  return bytes;
}

void StoreTest::ExpectNothingLeft(const TieredStore& store) const {
  EXPECT_TRUE(store.ListTables().empty());
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data_dir())) {
    bytes += entry.path().extension() == ".sst" ? entry.file_size() : 0;
  }
  EXPECT_LT(bytes, 65'536U);  // what the catalog's records may take
  const std::string staging = data_dir() + "/db/staging";
  EXPECT_TRUE(!std::filesystem::exists(staging) || std::filesystem::is_empty(staging));
}

}  // namespace engram::storage
