// The RocksDB instance that holds the catalog and the pages of every table.
#ifndef ENGRAM_STORAGE_COLD_DATABASE_H_
#define ENGRAM_STORAGE_COLD_DATABASE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "storage/cold/cold_tier.h"
#include "storage/io/read_engine.h"
#include "storage/table_spec.h"

namespace engram::storage {

// A key and its value in the catalog's column family; no value means: delete the key.
struct CatalogWrite {
  std::string key;
  std::optional<std::string> value;
};

// Writes one new table, segment by segment. Segments are runs of whole pages; they may be written
// by several threads at once and in any order. Destroyed without Finish, it leaves nothing behind.
class ColdTableWriter {
 public:
  virtual ~ColdTableWriter() = default;

  virtual const PageLayout& layout() const = 0;

  // Pages that one segment (one SST file) holds; the last segment may hold less.
  virtual uint64_t pages_per_segment() const = 0;
  virtual uint64_t segment_count() const = 0;

  // Writes and syncs the rows of segment `segment`: `rows` holds all of them, in row order.
  // Thread-safe for distinct segments.
  //   RESOURCE_EXHAUSTED  the disk is full
  //   DATA_LOSS           the disk failed
  virtual absl::Status WriteSegment(uint64_t segment, absl::Span<const std::byte> rows) = 0;

  // Moves all segments, each written once, into the database and returns the readable table.
  // Until the catalog names it, the next DropUnknownTables removes it. To be called once.
  //   RESOURCE_EXHAUSTED, DATA_LOSS
  virtual absl::StatusOr<std::unique_ptr<ColdTable>> Finish() = 0;
};

// Thread-safe.
class Database {
 public:
  // Opens or creates the database in `dir`. Tables are found by OpenTable; those whose uid is not
  // passed to DropUnknownTables are orphans of interrupted imports or drops. `engine` must outlive
  // the database and its tables.
  //   FAILED_PRECONDITION  another process has it open
  //   PERMISSION_DENIED, RESOURCE_EXHAUSTED, DATA_LOSS
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& dir, ReadEngine* engine);
  // Stops background work. No writer may be left.
  virtual ~Database() = default;

  // Catalog records whose key starts with `prefix`, in key order. DATA_LOSS.
  virtual absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ReadCatalog(
      absl::string_view prefix) = 0;

  // Applies all writes atomically, and durably once it returned OK.
  //   RESOURCE_EXHAUSTED, DATA_LOSS
  virtual absl::Status WriteCatalog(absl::Span<const CatalogWrite> writes) = 0;

  // Tables are named by a number that is never used again.
  // OpenTable: DATA_LOSS if the table is not there.
  // NewTable: ALREADY_EXISTS if the uid is taken.
  virtual absl::StatusOr<std::unique_ptr<ColdTable>> OpenTable(uint64_t uid,
                                                               const TableSpec& spec) = 0;
  virtual absl::StatusOr<std::unique_ptr<ColdTableWriter>> NewTable(uint64_t uid,
                                                                    const TableSpec& spec) = 0;

  // Removes tables, and files of unfinished imports, that are not in `known_uids` and are not being
  // written. DATA_LOSS.
  virtual absl::Status DropUnknownTables(absl::Span<const uint64_t> known_uids) = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_COLD_DATABASE_H_
