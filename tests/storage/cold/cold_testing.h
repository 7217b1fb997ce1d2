// What the tests of the cold tier share.
#ifndef ENGRAM_TESTS_STORAGE_COLD_COLD_TESTING_H_
#define ENGRAM_TESTS_STORAGE_COLD_COLD_TESTING_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "storage/cold/cold_tier.h"
#include "storage/cold/database.h"
#include "storage/cold/database_impl.h"
#include "storage/io/read_engine.h"

namespace engram::storage {

inline constexpr uint64_t kUid = 7;

// An empty directory for the running test.
std::string TestDir();

// The spec of a table of opaque rows.
TableSpec OpaqueSpec(uint64_t rows, uint32_t row_bytes);

// The bytes of a row, each of which tells row and place.
void FillRow(RowId row, absl::Span<std::byte> bytes);

// Writes and finishes a table of such rows; fails the test on an error.
std::unique_ptr<ColdTable> WriteTable(Database* database, uint64_t uid, const TableSpec& spec);

// Writes the segments of a table, and no more.
absl::Status WriteSegments(ColdTableWriter* writer, const TableSpec& spec);

// One read for each of `ids`, which are sorted, in order.
std::vector<RowRead> ReadsOf(const std::vector<RowId>& ids);

// `count` random ids, sorted; ids may repeat.
std::vector<RowId> RandomIds(uint64_t rows, size_t count, uint32_t seed);

// Reads rows and returns the status; *wrong is how many of them have wrong bytes.
absl::Status ReadAndCheck(ColdTable* table, const TableSpec& spec, const std::vector<RowId>& ids,
                          size_t* wrong, ColdReadStats* stats = nullptr);

// The one SST file below `dir` that holds row `row`'s bytes, and where they are in it.
struct RowPlace {
  std::string path;
  uint64_t offset = 0;
};
RowPlace FindRow(const std::string& dir, const TableSpec& spec, RowId row);
// The same for any bytes.
RowPlace FindBytes(const std::string& dir, const std::string& bytes);

// Flips a bit there.
void FlipByte(const RowPlace& place);

// SST files of tables below `dir`, in whatever folder; those of the catalog have less than a page.
size_t CountSstFiles(const std::string& dir);

// A test that runs with each read engine.
class EngineTest : public testing::TestWithParam<ReadEngineOptions::Kind> {
 protected:
  void SetUp() override;
  void TearDown() override;

  // Opens the database of the running test; fails the test on an error.
  std::unique_ptr<Database> OpenDb(const DatabaseConfig& config = {});

  std::string dir_ = TestDir();
  std::unique_ptr<ReadEngine> engine_;
};

std::string EngineName(const testing::TestParamInfo<ReadEngineOptions::Kind>& param);

// Decides about a read that was done; may change its result.
using ReadFault = std::function<void(ReadRequest* request)>;

// An engine whose reads go through `fault` once they are done. `base` is not owned. `fault` is
// called by all threads.
std::unique_ptr<ReadEngine> NewFaultyEngine(ReadEngine* base, ReadFault fault);

}  // namespace engram::storage

#endif  // ENGRAM_TESTS_STORAGE_COLD_COLD_TESTING_H_
