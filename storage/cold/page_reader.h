// Reads rows out of a column family of pages: one call of ColdTable::ReadRows.
#ifndef ENGRAM_STORAGE_COLD_PAGE_READER_H_
#define ENGRAM_STORAGE_COLD_PAGE_READER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "rocksdb/db.h"
#include "storage/cold/cold_tier.h"
#include "storage/cold/direct_file_system.h"
#include "storage/cold/page_layout.h"
#include "storage/cold/read_ahead.h"
#include "storage/cold/sst_map.h"

namespace engram::storage {

// Where the pages are. All must outlive the reader.
struct PageSource {
  rocksdb::DB* db;
  rocksdb::ColumnFamilyHandle* family;
  DirectFileSystem* file_system;
  const SstMap* files;
};

// For one thread and one call.
class PageReader {
 public:
  // As ColdTable::ReadRows.
  PageReader(const PageSource& source, const PageLayout& layout, absl::Span<const RowRead> reads,
             std::byte* rows);

  absl::Status Run(absl::Time deadline);

  ColdReadStats stats() const {
    return {.reads = ahead_.reads(),
            .bytes_read = ahead_.bytes_read(),
            .unpredicted = ahead_.unpredicted()};
  }

 private:
  // A page in the window, and its rows: reads_[first_read, end_read).
  struct Page {
    uint64_t number;
    size_t first_read;
    size_t end_read;
  };

  // Starts reads until the window is full or there are no pages left.
  void FillWindow();

  // Has RocksDB check and return the `count` oldest pages of the window; copies their rows.
  absl::Status ReadOldest(size_t count);

  // Copies the rows of `page` out of what RocksDB returned for it.
  absl::Status CopyRows(const Page& page, const rocksdb::Status& status,
                        const rocksdb::PinnableSlice& value);

  const PageSource source_;
  const PageLayout layout_;
  const absl::Span<const RowRead> reads_;
  std::byte* const rows_;

  ReadAhead ahead_;
  std::vector<Page> window_;  // a ring, place by place beside ahead_'s
  size_t oldest_ = 0;
  size_t next_read_ = 0;     // the first of reads_ whose page is not in the window yet
  SstFile* file_ = nullptr;  // of the last page that entered the window
  std::shared_ptr<const ReadableFile> open_;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_COLD_PAGE_READER_H_
