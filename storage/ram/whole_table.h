// The RAM tier of a table that fits: all of its rows.
#ifndef ENGRAM_STORAGE_RAM_WHOLE_TABLE_H_
#define ENGRAM_STORAGE_RAM_WHOLE_TABLE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "storage/ram/byte_budget.h"
#include "storage/ram/huge_region.h"
#include "storage/ram/ram_tier.h"
#include "storage/table_spec.h"

namespace engram::storage {

// Every row at its id's place. Rows are loaded once, in ascending order, and are served as soon as
// they are there: a group is a hit once all of its rows are loaded.
class WholeTable : public RamTier {
 public:
  // Takes the table's bytes from the budget.
  //   RESOURCE_EXHAUSTED  they do not fit
  static absl::StatusOr<std::unique_ptr<WholeTable>> Create(const TableSpec& spec,
                                                            std::shared_ptr<ByteBudget> budget);

  // Appends rows: whole ones, no more than the table lacks. One thread at a time.
  //   first_row: must be loaded_rows(), the next in order;  rows: [count x row_bytes]
  void Load(uint64_t first_row, absl::Span<const std::byte> rows);

  uint64_t loaded_rows() const { return loaded_rows_.load(std::memory_order_acquire); }

  void Lookup(absl::Span<const RowId> row_ids, std::byte* rows,
              std::vector<uint32_t>* misses) override;
  // Does nothing: the rows that are lacking are about to be loaded.
  void Admit(absl::Span<const RowId> row_ids, const std::byte* rows,
             absl::Span<const uint32_t> groups) override;
  std::vector<uint32_t> NotHeld(absl::Span<const RowId> row_ids) override;
  RamTierStats Stats() const override;

 private:
  WholeTable(const TableSpec& spec, std::shared_ptr<ByteBudget> budget);

  void Gather(absl::Span<const RowId> row_ids, std::byte* rows) const;

  const uint64_t rows_;
  const size_t row_bytes_;
  const uint32_t group_size_;
  HugeRegion region_;
  std::atomic<uint64_t> loaded_rows_{0};
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_RAM_WHOLE_TABLE_H_
