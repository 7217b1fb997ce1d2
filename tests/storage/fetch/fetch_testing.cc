#include "tests/storage/fetch/fetch_testing.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "tests/storage/cold/cold_testing.h"

namespace engram::storage {
namespace {

class FakeColdTable final : public ColdTable {
 public:
  FakeColdTable(const TableSpec& spec, std::shared_ptr<ColdScript> script)
      : spec_(spec), script_(std::move(script)) {
    ++script_->tables;
  }
  ~FakeColdTable() override { --script_->tables; }

  absl::Status ReadRows(absl::Span<const RowRead> reads, std::byte* rows, const ReadTerms& terms,
                        ColdReadStats* stats) override {
    {
      absl::MutexLock lock(&script_->mutex);
      script_->reads.emplace_back(reads.begin(), reads.end());
    }
    stats->reads += reads.size();
    stats->bytes_read += reads.size() * PageLayout::kBlockBytes;
    if (script_->on_read != nullptr) {
      if (absl::Status status = script_->on_read(reads); !status.ok()) {
        return status;
      }
    }
    if (absl::Status status = terms.Check(); !status.ok()) return status;
    for (const RowRead& read : reads) {
      FillRow(read.row_id, {rows + size_t{read.destination} * spec_.row_bytes, spec_.row_bytes});
    }
    return absl::OkStatus();
  }

  absl::Status Scan(const std::function<bool(uint64_t first_row, absl::Span<const std::byte> rows)>&
                        page) override {
    const PageLayout layout(spec_);
    for (uint64_t number = 0; number < layout.page_count(); ++number) {
      const uint64_t first = layout.first_row(number);
      if (script_->on_page != nullptr) {
        if (absl::Status status = script_->on_page(first); !status.ok()) {
          return status;
        }
      }
      std::vector<std::byte> rows(size_t{layout.rows_in(number)} * spec_.row_bytes);
      for (uint32_t i = 0; i < layout.rows_in(number); ++i) {
        FillRow(static_cast<RowId>(first + i),
                absl::MakeSpan(rows).subspan(size_t{i} * spec_.row_bytes, spec_.row_bytes));
      }
      if (!page(first, rows)) {
        return absl::CancelledError("the scan was stopped");
      }
    }
    return absl::OkStatus();
  }

  uint64_t disk_bytes() const override { return spec_.table_bytes(); }
  void MarkDropped() override {}

 private:
  const TableSpec spec_;
  const std::shared_ptr<ColdScript> script_;
};

}  // namespace

std::unique_ptr<ColdTable> NewFakeColdTable(const TableSpec& spec,
                                            std::shared_ptr<ColdScript> script) {
  return std::make_unique<FakeColdTable>(spec, std::move(script));
}

std::shared_ptr<TableVersion> NewTableVersion(const TableSpec& spec,
                                              std::shared_ptr<ColdScript> script,
                                              std::unique_ptr<RamTier> ram, absl::Duration window,
                                              std::shared_ptr<ByteBudget> prefetched) {
  TableInfo info;
  info.identity.name = "t";
  info.identity.version = 1;
  info.spec = spec;
  return std::make_shared<TableVersion>(std::move(info), NewFakeColdTable(spec, std::move(script)),
                                        std::move(ram), std::make_shared<CurrentWarmTier>(), window,
                                        std::move(prefetched));
}

size_t CountWrongRows(const TableSpec& spec, absl::Span<const RowId> ids,
                      absl::Span<const std::byte> rows) {
  std::vector<std::byte> expected(spec.row_bytes);
  size_t wrong = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    FillRow(ids[i], absl::MakeSpan(expected));
    wrong += std::memcmp(expected.data(), &rows[i * spec.row_bytes], spec.row_bytes) == 0 ? 0 : 1;
  }
  return wrong;
}

}  // namespace engram::storage
