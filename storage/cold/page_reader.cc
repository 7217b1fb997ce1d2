#include "storage/cold/page_reader.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "storage/cold/page_block.h"
#include "storage/cold/rocksdb_status.h"

namespace engram::storage {
namespace {

// Most pages that are awaited together: few enough that the device does not run dry.
constexpr size_t kRunPages = 32;

// No more than there are reads: of a few, a whole window takes longer to set up than to use.
int WindowReads(const PageSource& source, absl::Span<const RowRead> reads) {
  const int depth = source.file_system->engine().options().queue_depth;
  return static_cast<int>(std::clamp<size_t>(reads.size(), 1, static_cast<size_t>(depth)));
}

}  // namespace

void RowCopier::Take(const RowRead& read, const std::byte* row) {
  std::memcpy(rows_ + read.destination * row_bytes_, row, row_bytes_);
}

absl::Status RowCopier::Miss(absl::Span<const RowRead> /*reads*/, absl::Status why) { return why; }

PageReader::PageReader(const PageSource& source, const PageLayout& layout,
                       absl::Span<const RowRead> reads, RowSink* sink)
    : source_(source),
      layout_(layout),
      reads_(reads),
      sink_(sink),
      ahead_(source.file_system->ThreadQueue(), layout.page_file_bytes(),
             WindowReads(source, reads)),
      window_(ahead_.capacity()) {}

absl::Status PageReader::Run(const ReadTerms& terms) {
  for (;;) {
    const size_t max_in_flight = std::min(window_.size(), terms.MaxInFlight());
    FillWindow(max_in_flight);
    const bool all_started = next_read_ == reads_.size();
    const size_t run = all_started ? ahead_.size() : max_in_flight / 4;
    const size_t count =
        ahead_.AwaitOldest(std::clamp<size_t>(run, 1, kRunPages), terms.spin_until());
    if (count == 0) {
      return absl::OkStatus();
    }
    if (auto status = terms.Check(); !status.ok()) return status;
    if (auto status = TakeOldest(count, terms); !status.ok()) {
      return status;
    }
    for (size_t i = 0; i < count; ++i) {
      borrowing_ -= window_[oldest_ + i].borrows ? 1 : 0;
    }
    ahead_.PopOldest(count);
    oldest_ = (oldest_ + count) % window_.size();
  }
}

void PageReader::FillWindow(size_t max_in_flight) {
  while (next_read_ < reads_.size() && ahead_.size() < max_in_flight && !ahead_.full() &&
         borrowing_ < kMaxBorrowing) {
    const uint64_t number = layout_.page_of(reads_[next_read_].row_id);
    const uint64_t end_row = layout_.first_row(number) + layout_.rows_in(number);
    Page& page = window_[(oldest_ + ahead_.size()) % window_.size()];
    page = {.number = number, .first_read = next_read_, .end_read = next_read_, .borrows = false};
    while (page.end_read < reads_.size() && reads_[page.end_read].row_id < end_row) {
      assert(reads_[page.end_read].row_id >= layout_.first_row(number));
      ++page.end_read;
    }
    assert(page.end_read > page.first_read);
    next_read_ = page.end_read;
    if (file_ == nullptr || number > file_->last_page) {
      file_ = source_.files->Find(number);
      open_ = file_ == nullptr ? OpenSst() : file_->Open();
    }
    if (open_.file == nullptr) {
      ahead_.Push(nullptr, 0);
      continue;
    }
    page.borrows = !open_.kept;
    borrowing_ += page.borrows ? 1 : 0;
    ahead_.Push(open_.file, (number - file_->first_page) * layout_.page_file_bytes());
  }
}

absl::Status PageReader::TakeOldest(size_t count, const ReadTerms& terms) {
  for (size_t i = 0; i < count; ++i) {
    const Page& page = window_[oldest_ + i];
    const auto rows = RowsOfBlock(layout_, page.number, ahead_.Oldest(i));
    if (!rows.empty()) {
      HandOn(page, rows.data());
    } else if (auto status = ReadAgain(page, terms); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status PageReader::ReadAgain(const Page& page, const ReadTerms& terms) {
  ++read_again_;
  const RowId row = reads_[page.first_read].row_id;
  const size_t bytes = size_t{layout_.rows_in(page.number)} * layout_.row_bytes;
  rocksdb::PinnableSlice value;
  const rocksdb::Status status =
      ReadByRocksDb(source_.db, source_.family, page.number, terms.deadline(), &value);
  if (status.IsTimedOut()) {
    return absl::DeadlineExceededError(
        absl::StrCat("the deadline passed before row ", row, " was read again"));
  }
  if (!status.ok()) {
    const absl::Status read = FromRocksDb(status, absl::StrCat("row ", row));
    return sink_->Miss(ReadsOf(page), absl::IsResourceExhausted(read)
                                          ? read
                                          : absl::DataLossError(read.message()));
  }
  if (value.size() != bytes) {
    return sink_->Miss(ReadsOf(page), absl::DataLossError(
                                          absl::StrCat("row ", row, ": page ", page.number, " has ",
                                                       value.size(), " bytes, not ", bytes)));
  }
  HandOn(page, reinterpret_cast<const std::byte*>(value.data()));
  return absl::OkStatus();
}

void PageReader::HandOn(const Page& page, const std::byte* rows) const {
  const uint64_t first_row = layout_.first_row(page.number);
  for (const RowRead& read : ReadsOf(page)) {
    sink_->Take(read, rows + (read.row_id - first_row) * layout_.row_bytes);
  }
}

}  // namespace engram::storage
