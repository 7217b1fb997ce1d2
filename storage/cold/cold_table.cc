#include "storage/cold/cold_table.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/cold/page_reader.h"
#include "storage/cold/rocksdb_options.h"
#include "storage/cold/rocksdb_status.h"

namespace engram::storage {
namespace {

// Of a scan: large enough that the device streams.
constexpr size_t kScanReadBytes = size_t{2} << 20;

class RocksColdTable final : public ColdTable {
 public:
  RocksColdTable(std::shared_ptr<Instance> instance, std::shared_ptr<ColumnFamily> family,
                 std::shared_ptr<SstMap> files, const TableSpec& spec)
      : layout_(spec),
        instance_(std::move(instance)),
        family_(std::move(family)),
        files_(std::move(files)) {}

  absl::Status ReadRows(absl::Span<const RowRead> reads, std::byte* rows, const ReadTerms& terms,
                        ColdReadStats* stats) override {
    const PageSource source = {.db = instance_->db(),
                               .family = family_->handle(),
                               .file_system = instance_->file_system(),
                               .files = files_.get()};
    RowCopier copier(rows, layout_.row_bytes);
    PageReader reader(source, layout_, reads, &copier);
    absl::Status status = reader.Run(terms);
    *stats += reader.stats();
    return status;
  }

  absl::Status Scan(const std::function<bool(uint64_t first_row, absl::Span<const std::byte> rows)>&
                        page) override {
    rocksdb::ReadOptions options = PageReadOptions();
    options.readahead_size = kScanReadBytes;
    const std::unique_ptr<rocksdb::Iterator> pages(
        instance_->db()->NewIterator(options, family_->handle()));
    uint64_t number = 0;
    for (pages->SeekToFirst(); pages->Valid(); pages->Next(), ++number) {
      const rocksdb::Slice key = pages->key();
      const rocksdb::Slice value = pages->value();
      if (key.size() != PageKey().size() || DecodePageKey(key.data()) != number ||
          number >= layout_.page_count()) {
        break;
      }
      const size_t bytes = size_t{layout_.rows_in(number)} * layout_.row_bytes;
      if (value.size() != bytes) {
        return absl::DataLossError(absl::StrCat("row ", layout_.first_row(number), ": page ",
                                                number, " has ", value.size(), " bytes, not ",
                                                bytes));
      }
      if (!page(layout_.first_row(number),
                {reinterpret_cast<const std::byte*>(value.data()), value.size()})) {
        return absl::CancelledError("the scan was stopped");
      }
    }
    const std::string where = absl::StrCat("row ", layout_.first_row(number));
    if (!pages->status().ok()) {
      return absl::DataLossError(FromRocksDb(pages->status(), where).message());
    }
    if (number != layout_.page_count() || pages->Valid()) {
      return absl::DataLossError(absl::StrCat(where, ": page ", number, " is missing"));
    }
    return absl::OkStatus();
  }

  uint64_t disk_bytes() const override { return files_->disk_bytes(); }

  void MarkDropped() override { instance_->DropColumnFamily(family_); }

 private:
  const PageLayout layout_;
  // In the order in which they need each other.
  const std::shared_ptr<Instance> instance_;
  const std::shared_ptr<ColumnFamily> family_;
  const std::shared_ptr<SstMap> files_;
};

}  // namespace

std::unique_ptr<ColdTable> NewColdTable(std::shared_ptr<Instance> instance,
                                        std::shared_ptr<ColumnFamily> family,
                                        std::shared_ptr<SstMap> files, const TableSpec& spec) {
  return std::make_unique<RocksColdTable>(std::move(instance), std::move(family), std::move(files),
                                          spec);
}

}  // namespace engram::storage
