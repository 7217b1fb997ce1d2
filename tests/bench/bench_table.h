// The table that benchmarks read: rows that say which they are, imported as a user would.
#ifndef ENGRAM_TESTS_BENCH_BENCH_TABLE_H_
#define ENGRAM_TESTS_BENCH_BENCH_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "storage/table_spec.h"
#include "storage/tiered_store.h"

namespace engram::bench {

inline constexpr char kBenchTable[] = "bench";

// A table of about `table_bytes`: whole groups of `group_size` rows.
storage::TableSpec BenchSpec(uint64_t table_bytes, uint32_t row_bytes, uint32_t group_size);

// The bytes of a row, each of which tells its row.
void FillRow(storage::RowId row, absl::Span<std::byte> bytes);

// Checks rows [row_ids x row_bytes] that were read.
//   DATA_LOSS  one of them is not what FillRow makes; names it and `reader`
absl::Status CheckRows(absl::Span<const storage::RowId> row_ids, absl::Span<const std::byte> rows,
                       uint32_t row_bytes, const std::string& reader);

// Imports a table of that spec as kBenchTable, through the file `path`, which is removed again.
// Errors as TieredStore::Import, or of the file system.
absl::Status ImportBenchTable(const storage::TableSpec& spec, const std::string& path,
                              storage::TieredStore* store);

// Fetches rows [row_ids x row_bytes] and waits for them. Errors as TieredStore::Fetch.
absl::Status FetchRows(const storage::TableRef& table, absl::Span<const storage::RowId> row_ids,
                       absl::Span<std::byte> rows, storage::TieredStore* store);

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_BENCH_TABLE_H_
