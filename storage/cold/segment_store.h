// Rows that are replaced a segment at a time: what the warm tier keeps its records in.
#ifndef ENGRAM_STORAGE_COLD_SEGMENT_STORE_H_
#define ENGRAM_STORAGE_COLD_SEGMENT_STORE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "storage/cold/cold_tier.h"
#include "storage/cold/database_impl.h"
#include "storage/cold/page_layout.h"
#include "storage/io/read_engine.h"

namespace engram::storage {

class RowSink;

struct SegmentShape {
  uint32_t row_bytes = 0;
  uint64_t pages = 0;     // of a segment: at least 1
  uint64_t segments = 0;  // that there may be: segments x pages is less than 2^32

  PageLayout layout() const;
  uint64_t rows_per_segment() const { return pages * layout().rows_per_page; }
  // What a segment takes on disk, at most.
  uint64_t segment_disk_bytes() const;
};

// One column family of segments, each an SST file with a key a page, as in the cold tier
// (cold/README.md). Row r of segment s is row s x rows_per_segment + r. Read may be called by any
// number of threads, alongside everything else; the others by one at a time.
class SegmentStore {
 public:
  virtual ~SegmentStore() = default;

  // Segments that hold anything, ascending.
  virtual std::vector<uint64_t> Present() const = 0;

  // Replaces segment `segment` by `rows`: [count x row_bytes], count from 1 to rows_per_segment.
  // For a moment the disk holds both. After a crash it holds the old one, the new one, or none.
  //   RESOURCE_EXHAUSTED  the disk is full; the old one is still there
  //   DATA_LOSS           the disk failed; the segment may be gone
  virtual absl::Status Replace(uint64_t segment, absl::Span<const std::byte> rows) = 0;

  // Reads rows, sorted by row id, and adds the cost to *stats. A segment that is replaced meanwhile
  // is read as it was or as it is, and while it is written not at all.
  //   DEADLINE_EXCEEDED, CANCELLED, or what the sink returned
  virtual absl::Status Read(absl::Span<const RowRead> reads, const ReadTerms& terms, RowSink* sink,
                            ColdReadStats* stats) = 0;

  virtual uint64_t disk_bytes() const = 0;
};

// A RocksDB of its own, so that whatever happens to it, tables and catalog are not touched; what is
// in it can be had from them. Thread-safe.
class SegmentDatabase {
 public:
  // Opens or creates the database in `dir`. One that cannot be opened is replaced by an empty one.
  // `engine` must outlive the database and its stores.
  //   PERMISSION_DENIED, RESOURCE_EXHAUSTED, DATA_LOSS
  static absl::StatusOr<std::unique_ptr<SegmentDatabase>> Open(const std::string& dir,
                                                               ReadEngine* engine,
                                                               const DatabaseConfig& config);
  virtual ~SegmentDatabase() = default;

  // The store of the table `uid`; segments of another size, and those beyond its end, are removed.
  // One object a uid.
  //   RESOURCE_EXHAUSTED, DATA_LOSS
  virtual absl::StatusOr<std::unique_ptr<SegmentStore>> OpenStore(uint64_t uid,
                                                                  const SegmentShape& shape) = 0;

  // Removes the stores of other tables. DATA_LOSS.
  virtual absl::Status DropUnknown(absl::Span<const uint64_t> known_uids) = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_COLD_SEGMENT_STORE_H_
