// What the tests of the store share: self-describing tables, and a store for each test.
#ifndef ENGRAM_TESTS_STORAGE_STORE_TESTING_H_
#define ENGRAM_TESTS_STORAGE_STORE_TESTING_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/checkpoint/self_describing.h"
#include "storage/cold/database_impl.h"
#include "storage/table_spec.h"
#include "storage/tiered_store.h"
#include "tests/storage/cold/cold_testing.h"

namespace engram::storage {

// Sanitizers make everything an order of magnitude slower: long tests do fewer rounds then.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

// A table of self-describing rows. Its seed tells versions apart, its layer tables.
struct TestTable {
  SelfDescribingKey key{};
  uint64_t rows = 20'000;
  uint32_t row_bytes = 264;
};

// Where a test of random operations starts: 1, or --gtest_random_seed. Prints it.
uint32_t TestSeed();

// Writes its rows into a .npy file below `dir` and returns the path.
std::string WriteNpy(const std::string& dir, const TestTable& table);

// A .npy file of `rows` rows of 4 KiB of zeroes, which takes no disk space.
std::string WriteSparseNpy(const std::string& dir, uint64_t rows);

Digest DigestOf(const TestTable& table);

// Ids of all rows, in order.
std::vector<RowId> AllIds(const TestTable& table);

// Random groups of random ids.
std::vector<RowId> RandomGroups(const TestTable& table, size_t groups, uint32_t group_size,
                                uint32_t seed);

// Progress callbacks that never cancel.
bool GoOn(const ImportProgress& progress);
bool GoOnVerifying(uint64_t rows_done);

struct Fetched {
  absl::Status status;
  std::vector<std::byte> rows;
  std::vector<Tier> tiers;
};

// Fetches and waits.
Fetched FetchRows(TieredStore* store, const TableRef& table, const std::vector<RowId>& ids,
                  absl::Time deadline = absl::InfiniteFuture());

// Fetches and expects success and the right bytes. Returns the groups that RAM served.
size_t ExpectRows(TieredStore* store, const TableRef& table, const TestTable& expected,
                  const std::vector<RowId>& ids);

// The stats of the version `version` of `name`; fails the test if there is none.
TableStats StatsOf(const TieredStore& store, const std::string& name, uint64_t version);

// Waits until RAM holds the whole version.
void AwaitWhole(const TieredStore& store, const std::string& name, uint64_t version);

// Where a row is, below the data directory.
RowPlace FindTestRow(const std::string& dir, const TestTable& table, RowId row);

// A test that runs with each read engine, and its store's directory.
class StoreTest : public EngineTest {
 protected:
  // Opens the store in data_dir() with options_; its reads go through `fault`, if any.
  absl::StatusOr<std::unique_ptr<TieredStore>> TryOpen(ReadFault fault = nullptr);
  // Fails the test on an error.
  std::unique_ptr<TieredStore> Open(ReadFault fault = nullptr);

  // Imports a table and opens the new version; fails the test on an error.
  TableRef Import(TieredStore* store, const std::string& name, const TestTable& table,
                  uint32_t group_size = 1, bool stage_only = false);

  std::string data_dir() const { return dir_ + "/data"; }
  // What the warm tiers' files take at this moment, those that are being written included.
  uint64_t WarmBytesOnDisk() const;
  // Expects that there is no table, and no file of one.
  void ExpectNothingLeft(const TieredStore& store) const;

  StoreOptions options_{.data_dir = dir_ + "/data", .io_threads = 2};
  DatabaseConfig database_{.segment_bytes = 1 << 20};
};

}  // namespace engram::storage

#endif  // ENGRAM_TESTS_STORAGE_STORE_TESTING_H_
