// The cold tier: every row of every table, in RocksDB, one key a page of rows.
#ifndef ENGRAM_STORAGE_COLD_COLD_TIER_H_
#define ENGRAM_STORAGE_COLD_COLD_TIER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "storage/cold/page_layout.h"
#include "storage/cold/read_terms.h"
#include "storage/table_spec.h"

namespace engram::storage {

class Database;

// One row to read, and where it goes.
struct RowRead {
  RowId row_id = 0;
  uint32_t destination = 0;  // copied to rows + destination * row_bytes

  friend auto operator<=>(const RowRead&, const RowRead&) = default;
};

// What one call of ReadRows cost.
struct ColdReadStats {
  uint64_t reads = 0;       // reads asked of the device
  uint64_t bytes_read = 0;  // bytes asked of the device
  uint64_t read_again = 0;  // of the reads, those of pages that RocksDB had to look at

  ColdReadStats& operator+=(const ColdReadStats& other) {
    reads += other.reads;
    bytes_read += other.bytes_read;
    read_again += other.read_again;
    return *this;
  }
};

// The pages of one table version: a column family of the database. Thread-safe. The column family,
// if marked dropped, is removed when the object is destroyed. It may outlive its Database object,
// which then stays open until the last table is destroyed.
class ColdTable {
 public:
  virtual ~ColdTable() = default;

  // Reads rows and adds the cost to *stats. `reads` is sorted by row id; ids may repeat, and are
  // all below spec.rows. Blocks the calling thread, which keeps up to the engine's queue depth of
  // page reads in flight. Every page is checked against its checksum; one that fails is read once
  // more.
  //   DEADLINE_EXCEEDED, CANCELLED  as ReadTerms
  //   DATA_LOSS          names the first row that could not be read, and why
  //   RESOURCE_EXHAUSTED likewise: too many files are open
  virtual absl::Status ReadRows(absl::Span<const RowRead> reads, std::byte* rows,
                                const ReadTerms& terms, ColdReadStats* stats) = 0;

  // Calls `page` with the rows of every page in row order: first row id, and
  // [count x row_bytes] bytes that live for the call. Stops with CANCELLED when it returns false.
  //   DATA_LOSS, CANCELLED
  virtual absl::Status Scan(
      const std::function<bool(uint64_t first_row, absl::Span<const std::byte> rows)>& page) = 0;

  virtual uint64_t disk_bytes() const = 0;

  // Frees the disk space when the object is destroyed.
  virtual void MarkDropped() = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_COLD_COLD_TIER_H_
