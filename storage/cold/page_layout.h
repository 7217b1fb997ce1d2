// How rows are grouped into the pages that the cold tier stores, one key each.
#ifndef ENGRAM_STORAGE_COLD_PAGE_LAYOUT_H_
#define ENGRAM_STORAGE_COLD_PAGE_LAYOUT_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "storage/table_spec.h"

namespace engram::storage {

// A page is the value of one key: consecutive rows, as many as fit one 4 KiB block of an SST file
// together with the block's own bytes. A row larger than that has a page of its own, which takes
// several blocks' room.
//
// Each block of a table's SST files holds one page and is padded to whole 4 KiB, so that page i of
// a file lies at i * page_file_bytes().
struct PageLayout {
  static constexpr uint32_t kBlockBytes = 4096;
  // A block has, besides the value: the lengths of shared key, own key and value as varints (1, 1
  // and 1 to 3 bytes), key and sequence number (12), a restart array of one (8), the checksum (5).
  static constexpr uint32_t kFixedOverhead = 27;
  static constexpr uint32_t kMaxSmallValue = kBlockBytes - kFixedOverhead - 2;

  explicit PageLayout(const TableSpec& spec)
      : rows(spec.rows),
        row_bytes(spec.row_bytes),
        rows_per_page(std::max(1U, kMaxSmallValue / spec.row_bytes)) {}

  uint64_t rows;
  uint32_t row_bytes;
  uint32_t rows_per_page;

  uint64_t page_count() const { return (rows + rows_per_page - 1) / rows_per_page; }
  uint64_t page_of(RowId row) const { return row / rows_per_page; }
  uint64_t first_row(uint64_t page) const { return page * rows_per_page; }
  // Rows of `page`; less than rows_per_page only in the last one.
  uint32_t rows_in(uint64_t page) const {
    return static_cast<uint32_t>(std::min<uint64_t>(rows_per_page, rows - first_row(page)));
  }
  // Bytes of a full page's value.
  uint32_t page_bytes() const { return rows_per_page * row_bytes; }
  // Bytes of an SST file that a full page takes.
  uint32_t page_file_bytes() const {
    const uint32_t value = page_bytes();
    const uint32_t length_bytes = value < (1U << 7) ? 1 : value < (1U << 14) ? 2 : 3;
    const uint32_t block = value + kFixedOverhead + length_bytes;
    return (block + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
  }
};

// The key of a page: its number, big-endian, so that keys sort as pages do.
using PageKey = std::array<char, 4>;

inline PageKey EncodePageKey(uint64_t page) {
  return {static_cast<char>(page >> 24), static_cast<char>(page >> 16),
          static_cast<char>(page >> 8), static_cast<char>(page)};
}

// `key` has the size of a PageKey.
inline uint64_t DecodePageKey(const char* key) {
  uint64_t page = 0;
  for (size_t i = 0; i < PageKey().size(); ++i) {
    page = page << 8 | static_cast<uint8_t>(key[i]);
  }
  return page;
}

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_COLD_PAGE_LAYOUT_H_
