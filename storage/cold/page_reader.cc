#include "storage/cold/page_reader.h"

#include <array>
#include <cassert>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "storage/cold/rocksdb_options.h"
#include "storage/cold/rocksdb_status.h"

namespace engram::storage {
namespace {

// Pages of one MultiGet: as many as RocksDB itself takes together.
constexpr size_t kRunPages = 32;

rocksdb::Slice ToSlice(const PageKey& key) { return {key.data(), key.size()}; }

}  // namespace

PageReader::PageReader(const PageSource& source, const PageLayout& layout,
                       absl::Span<const RowRead> reads, std::byte* rows)
    : source_(source),
      layout_(layout),
      reads_(reads),
      rows_(rows),
      ahead_(source.file_system->ThreadQueue(), layout.page_file_bytes(),
             source.file_system->engine().options().queue_depth),
      window_(ahead_.capacity()) {}

absl::Status PageReader::Run(absl::Time deadline) {
  for (;;) {
    FillWindow();
    const size_t count = ahead_.AwaitOldest(kRunPages);
    if (count == 0) {
      return absl::OkStatus();
    }
    if (deadline != absl::InfiniteFuture() && absl::Now() >= deadline) {
      return absl::DeadlineExceededError(absl::StrCat("the deadline passed before row ",
                                                      reads_[window_[oldest_].first_read].row_id,
                                                      " was read from the cold tier"));
    }
    if (auto status = ReadOldest(count); !status.ok()) {
      return status;
    }
    ahead_.PopOldest(count);
    oldest_ = (oldest_ + count) % window_.size();
  }
}

void PageReader::FillWindow() {
  while (next_read_ < reads_.size() && !ahead_.full()) {
    const uint64_t number = layout_.page_of(reads_[next_read_].row_id);
    const uint64_t end_row = layout_.first_row(number) + layout_.rows_in(number);
    Page& page = window_[(oldest_ + ahead_.size()) % window_.size()];
    page = {.number = number, .first_read = next_read_, .end_read = next_read_};
    while (page.end_read < reads_.size() && reads_[page.end_read].row_id < end_row) {
      assert(reads_[page.end_read].row_id >= layout_.first_row(number));
      ++page.end_read;
    }
    assert(page.end_read > page.first_read);
    next_read_ = page.end_read;
    if (file_ == nullptr || number > file_->last_page) {
      file_ = source_.files->Find(number);
      open_ = file_ == nullptr ? nullptr : file_->Open(source_.file_system);
    }
    ahead_.Push(open_,
                open_ == nullptr ? 0 : (number - file_->first_page) * layout_.page_file_bytes());
  }
}

absl::Status PageReader::ReadOldest(size_t count) {
  assert(count <= kRunPages);
  std::array<PageKey, kRunPages> key_bytes;
  std::array<rocksdb::Slice, kRunPages> keys;
  std::array<rocksdb::PinnableSlice, kRunPages> values;
  std::array<rocksdb::Status, kRunPages> statuses;
  for (size_t i = 0; i < count; ++i) {
    key_bytes[i] = EncodePageKey(window_[oldest_ + i].number);
    keys[i] = ToSlice(key_bytes[i]);
  }
  const rocksdb::ReadOptions options = PageReadOptions();
  source_.db->MultiGet(options, source_.family, count, keys.data(), values.data(), statuses.data(),
                       /*sorted_input=*/true);
  for (size_t i = 0; i < count; ++i) {
    if (!statuses[i].ok()) {
      // Read it once more, alone and from the device: a MultiGet may blame a failure on keys that
      // it did not come to.
      ahead_.ForgetOldest(i);
      values[i].Reset();
      statuses[i] = source_.db->Get(options, source_.family, keys[i], &values[i]);
    }
    if (auto status = CopyRows(window_[oldest_ + i], statuses[i], values[i]); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status PageReader::CopyRows(const Page& page, const rocksdb::Status& status,
                                  const rocksdb::PinnableSlice& value) {
  const RowId row = reads_[page.first_read].row_id;
  if (!status.ok()) {
    return absl::DataLossError(FromRocksDb(status, absl::StrCat("row ", row)).message());
  }
  const size_t row_bytes = layout_.row_bytes;
  if (value.size() != layout_.rows_in(page.number) * row_bytes) {
    return absl::DataLossError(absl::StrCat("row ", row, ": page ", page.number, " has ",
                                            value.size(), " bytes, not ",
                                            layout_.rows_in(page.number) * row_bytes));
  }
  const uint64_t first_row = layout_.first_row(page.number);
  for (const RowRead& read : reads_.subspan(page.first_read, page.end_read - page.first_read)) {
    std::memcpy(rows_ + read.destination * row_bytes,
                value.data() + (read.row_id - first_row) * row_bytes, row_bytes);
  }
  return absl::OkStatus();
}

}  // namespace engram::storage
