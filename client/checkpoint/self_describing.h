// Rows whose bytes say which row they are, for tests, demos and `engramctl replay`: one flipped
// bit, a shifted row, a row of another table or of another version all show.
//
// A row is a sequence of little-endian 64-bit words, the last one cut off where the row ends:
//
//   word 0   row id (32 bits), layer (32 bits)
//   word 1   seed (32 bits), "EROW"
//   word i   a 64-bit mix of layer, seed, row id and i: no two rows alike, nothing to compress
//
// Any byte is a valid FP8 or E8M0 value. A row shorter than 16 bytes keeps what fits: four bytes
// still hold the row id.
#ifndef ENGRAM_CLIENT_CHECKPOINT_SELF_DESCRIBING_H_
#define ENGRAM_CLIENT_CHECKPOINT_SELF_DESCRIBING_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace engram {

// Which table the rows belong to: the layer as it is numbered in the table's name, and a seed that
// tells versions of one table apart.
struct SelfDescribingKey {
  uint32_t layer = 0;
  uint32_t seed = 0;

  friend bool operator==(const SelfDescribingKey&, const SelfDescribingKey&) = default;
};

struct SelfDescribingHeader {
  SelfDescribingKey key;
  uint32_t row_id = 0;

  friend bool operator==(const SelfDescribingHeader&, const SelfDescribingHeader&) = default;
};

// Fills one row; row.size() is the row's size in bytes.
void FillSelfDescribingRow(const SelfDescribingKey& key, uint32_t row_id,
                           absl::Span<std::byte> row);

// Fills bytes first_byte .. first_byte + width - 1 of rows first_row, first_row + 1, ...: one plane
// of a checkpoint that keeps values and scales apart.
//   first_byte: a multiple of 8
//   width: bytes of a row in this plane, at least 1
//   plane: out, [count x width]
void FillSelfDescribingPlane(const SelfDescribingKey& key, uint32_t first_row, size_t first_byte,
                             size_t width, absl::Span<std::byte> plane);

// What the first 16 bytes of a row say it is; nothing if they are not a self-describing row's.
std::optional<SelfDescribingHeader> ReadSelfDescribingHeader(absl::Span<const std::byte> row);

// Checks every byte of fetched rows.
//   row_ids: the ids asked for
//   rows: [row_ids x row_bytes], in the order of row_ids
// Returns:
//   OK
//   DATA_LOSS         a row is not what its id says; names the first such id, its index, the byte,
//                     and the row that lies there instead, if that can be told
//   INVALID_ARGUMENT  rows has not the size that row_ids and row_bytes ask for
absl::Status CheckSelfDescribingRows(const SelfDescribingKey& key,
                                     absl::Span<const uint32_t> row_ids,
                                     absl::Span<const std::byte> rows, size_t row_bytes);

}  // namespace engram

#endif  // ENGRAM_CLIENT_CHECKPOINT_SELF_DESCRIBING_H_
