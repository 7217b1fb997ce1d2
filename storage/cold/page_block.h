// The block of an SST file that holds a page, read without RocksDB.
#ifndef ENGRAM_STORAGE_COLD_PAGE_BLOCK_H_
#define ENGRAM_STORAGE_COLD_PAGE_BLOCK_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "storage/cold/page_layout.h"

namespace engram::storage {

// Checks that a block is that of `page`, as TableOptions has RocksDB write it, byte by byte and by
// its checksum, and returns the page's rows: [rows_in(page) x row_bytes] bytes of `block`. Empty if
// anything is otherwise; why, RocksDB knows better.
//   block: [at least the block; padding may follow], in the format of RocksDB's table/format.h,
//          version 5: one entry, not compressed, checksum XXH3
absl::Span<const std::byte> RowsOfBlock(const PageLayout& layout, uint64_t page,
                                        absl::Span<const std::byte> block);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_COLD_PAGE_BLOCK_H_
