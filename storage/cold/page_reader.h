// Reads rows out of a column family of pages.
#ifndef ENGRAM_STORAGE_COLD_PAGE_READER_H_
#define ENGRAM_STORAGE_COLD_PAGE_READER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "rocksdb/db.h"
#include "storage/cold/cold_tier.h"
#include "storage/cold/direct_file_system.h"
#include "storage/cold/page_layout.h"
#include "storage/cold/read_ahead.h"
#include "storage/cold/read_terms.h"
#include "storage/cold/sst_map.h"

namespace engram::storage {

// Where the pages are. All must outlive the reader.
struct PageSource {
  rocksdb::DB* db;
  rocksdb::ColumnFamilyHandle* family;
  DirectFileSystem* file_system;
  const SstMap* files;
};

// Where what was read goes.
class RowSink {
 public:
  virtual ~RowSink() = default;

  // row: [row_bytes], lives for the call
  virtual void Take(const RowRead& read, const std::byte* row) = 0;

  // A page could not be read, by RocksDB either, and so not these rows, in which `why` names the
  // first. Returns whether to go on: OK, or what the reader is to return.
  virtual absl::Status Miss(absl::Span<const RowRead> reads, absl::Status why) = 0;
};

// Copies rows to their destinations; a row that cannot be read is an error.
class RowCopier final : public RowSink {
 public:
  // rows: out, [destinations x row_bytes]
  RowCopier(std::byte* rows, size_t row_bytes) : rows_(rows), row_bytes_(row_bytes) {}

  void Take(const RowRead& read, const std::byte* row) override;
  absl::Status Miss(absl::Span<const RowRead> reads, absl::Status why) override;

 private:
  std::byte* const rows_;
  const size_t row_bytes_;
};

// For one thread and one call.
class PageReader {
 public:
  // reads: sorted by row id, which may repeat
  PageReader(const PageSource& source, const PageLayout& layout, absl::Span<const RowRead> reads,
             RowSink* sink);

  // Reads every page once and hands its rows to the sink. Returns OK, what `terms` say, or what the
  // sink returned.
  absl::Status Run(const ReadTerms& terms);

  ColdReadStats stats() const {
    const uint64_t reads = ahead_.reads() + read_again_;
    return {
        .reads = reads, .bytes_read = reads * layout_.page_file_bytes(), .read_again = read_again_};
  }

 private:
  // A page in the window, and its rows: reads_[first_read, end_read).
  struct Page {
    uint64_t number;
    size_t first_read;
    size_t end_read;
    bool borrows;  // holds a file open that is closed after the read
  };

  // Pages in the window that may borrow, so that threads leave descriptors to each other.
  static constexpr size_t kMaxBorrowing = 16;

  // Starts reads until so many are in flight, the window is full or there are no pages left.
  void FillWindow(size_t max_in_flight);

  // Checks the `count` oldest pages of the window and hands on their rows.
  absl::Status TakeOldest(size_t count, const ReadTerms& terms);

  // Has RocksDB read a page that the window does not have, or has damaged.
  absl::Status ReadAgain(const Page& page, const ReadTerms& terms);

  absl::Span<const RowRead> ReadsOf(const Page& page) const {
    return reads_.subspan(page.first_read, page.end_read - page.first_read);
  }

  // Hands on the rows of `page` out of its [rows_in(page) x row_bytes] bytes.
  void HandOn(const Page& page, const std::byte* rows) const;

  const PageSource source_;
  const PageLayout layout_;
  const absl::Span<const RowRead> reads_;
  RowSink* const sink_;

  ReadAhead ahead_;
  std::vector<Page> window_;  // a ring, place by place beside ahead_'s
  size_t oldest_ = 0;
  size_t next_read_ = 0;     // the first of reads_ whose page is not in the window yet
  SstFile* file_ = nullptr;  // of the last page that entered the window
  OpenSst open_;
  size_t borrowing_ = 0;  // pages in the window that do
  uint64_t read_again_ = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_COLD_PAGE_READER_H_
