// A cold tier that does what the test says, and tables on top of it.
#ifndef ENGRAM_TESTS_STORAGE_FETCH_FETCH_TESTING_H_
#define ENGRAM_TESTS_STORAGE_FETCH_FETCH_TESTING_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/cold/cold_tier.h"
#include "storage/fetch/table_version.h"
#include "storage/ram/ram_tier.h"

namespace engram::storage {

// What a fake cold table is asked for, and what it answers. Shared with it; outlives it.
struct ColdScript {
  // Called before each ReadRows and before each page of a Scan; not OK: that is the answer.
  std::function<absl::Status(absl::Span<const RowRead> reads)> on_read = nullptr;
  std::function<absl::Status(uint64_t first_row)> on_page = nullptr;

  std::vector<std::vector<RowRead>> calls() const {
    absl::MutexLock lock(&mutex);
    return reads;
  }

  mutable absl::Mutex mutex;
  std::vector<std::vector<RowRead>> reads ABSL_GUARDED_BY(mutex);  // of each ReadRows
  std::atomic<int> tables = 0;                                     // that live
};

// A table of rows as FillRow makes them (tests/storage/cold/cold_testing.h). Reads cost one device
// read of a page for each row asked for.
std::unique_ptr<ColdTable> NewFakeColdTable(const TableSpec& spec,
                                            std::shared_ptr<ColdScript> script);

// A version 1 of "t" on a fake cold table.
std::shared_ptr<TableVersion> NewTableVersion(const TableSpec& spec,
                                              std::shared_ptr<ColdScript> script,
                                              std::unique_ptr<RamTier> ram,
                                              absl::Duration window = absl::ZeroDuration(),
                                              std::shared_ptr<ByteBudget> prefetched = nullptr);

// How many of the rows do not have the bytes of their ids.
size_t CountWrongRows(const TableSpec& spec, absl::Span<const RowId> ids,
                      absl::Span<const std::byte> rows);

}  // namespace engram::storage

#endif  // ENGRAM_TESTS_STORAGE_FETCH_FETCH_TESTING_H_
