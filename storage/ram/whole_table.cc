#include "storage/ram/whole_table.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "storage/ram/row_copy.h"

namespace engram::storage {
namespace {

bool AllBelow(uint64_t end, absl::Span<const RowId> ids) {
  return std::all_of(ids.begin(), ids.end(), [end](RowId id) { return id < end; });
}

}  // namespace

absl::StatusOr<std::unique_ptr<WholeTable>> WholeTable::Create(const TableSpec& spec,
                                                               std::shared_ptr<ByteBudget> budget) {
  auto table = absl::WrapUnique(new WholeTable(spec, budget));
  if (!table->region_.GrowTo(spec.table_bytes())) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the whole table takes ", spec.table_bytes(),
                     " bytes of RAM; of the budget of ", budget->limit_bytes(), " bytes ",
                     budget->limit_bytes() - budget->used_bytes(), " are free"));
  }
  return table;
}

WholeTable::WholeTable(const TableSpec& spec, std::shared_ptr<ByteBudget> budget)
    : rows_(spec.rows),
      row_bytes_(spec.row_bytes),
      group_size_(spec.group_size),
      region_(std::move(budget), spec.table_bytes()) {}

void WholeTable::Load(uint64_t first_row, absl::Span<const std::byte> rows) {
  assert(first_row == loaded_rows());
  assert(rows.size() % row_bytes_ == 0);
  const uint64_t end = first_row + rows.size() / row_bytes_;
  assert(end <= rows_);
  std::memcpy(region_.data() + first_row * row_bytes_, rows.data(), rows.size());
  loaded_rows_.store(end, std::memory_order_release);
}

void WholeTable::Lookup(absl::Span<const RowId> row_ids, std::byte* rows,
                        std::vector<uint32_t>* misses) {
  assert(row_ids.size() % group_size_ == 0);
  const uint64_t loaded = loaded_rows();
  if (loaded == rows_) return Gather(row_ids, rows);
  for (size_t first = 0; first < row_ids.size(); first += group_size_) {
    const absl::Span<const RowId> ids = row_ids.subspan(first, group_size_);
    if (AllBelow(loaded, ids)) {
      Gather(ids, rows + first * row_bytes_);
    } else {
      misses->push_back(static_cast<uint32_t>(first / group_size_));
    }
  }
}

std::vector<uint32_t> WholeTable::NotHeld(absl::Span<const RowId> row_ids) {
  std::vector<uint32_t> missing;
  const uint64_t loaded = loaded_rows();
  if (loaded == rows_) return missing;
  for (size_t first = 0; first < row_ids.size(); first += group_size_) {
    if (!AllBelow(loaded, row_ids.subspan(first, group_size_))) {
      missing.push_back(static_cast<uint32_t>(first / group_size_));
    }
  }
  return missing;
}

void WholeTable::Gather(absl::Span<const RowId> row_ids, std::byte* rows) const {
  const size_t rows_ahead = ItemsAhead(row_bytes_);
  const auto row = [this](RowId id) { return region_.data() + id * row_bytes_; };
  for (size_t i = 0; i < row_ids.size(); ++i) {
    const size_t ahead = std::min(i + rows_ahead, row_ids.size() - 1);
    CopyAndPrefetch(rows + i * row_bytes_, row(row_ids[i]), row_bytes_, row(row_ids[ahead]));
  }
}

void WholeTable::Admit(absl::Span<const RowId> /*row_ids*/, const std::byte* /*rows*/,
                       absl::Span<const uint32_t> /*groups*/) {}

RamTierStats WholeTable::Stats() const { return {.rows = loaded_rows(), .bytes = region_.bytes()}; }

}  // namespace engram::storage
