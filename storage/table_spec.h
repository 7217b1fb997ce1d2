// What a table is: its shape, its name, its content. Plain values, no I/O.
#ifndef ENGRAM_STORAGE_TABLE_SPEC_H_
#define ENGRAM_STORAGE_TABLE_SPEC_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace engram::storage {

// A row's index in its table. Tables hold at most kMaxRows rows, so that an id takes four bytes on
// every wire and in every cache.
using RowId = uint32_t;
inline constexpr uint64_t kMaxRows = 0xFFFFFFFFu;
inline constexpr uint32_t kMaxRowBytes = 1u << 20;
inline constexpr uint32_t kMaxGroupSize = 64;

// How the values of a row are stored. The numbers are those of engram.v1.ValueFormat and of the
// catalog on disk; they never change.
enum class ValueFormat : uint32_t {
  kOpaque = 1,
  kFp8E4m3E8m0 = 2,  // FP8 values, then one E8M0 scale byte for each scale_block values
  kFp8E4m3 = 3,      // FP8 values; the table shares scalar_scale
  kBf16 = 4,
  kFp16 = 5,
  kFp32 = 6,
  kInt8 = 7,
};

// "fp8_e4m3_e8m0", "bf16", ...; "unknown" for a number that is none of the above.
absl::string_view ValueFormatName(ValueFormat format);

struct TableSpec {
  uint64_t rows = 0;
  uint32_t row_bytes = 0;  // of one row, scales included
  ValueFormat value_format = ValueFormat::kOpaque;
  uint32_t values_per_row = 0;  // 0 where the format is opaque
  uint32_t scale_block = 0;     // values that share one scale byte; 0 without scales in rows
  float scalar_scale = 1.0F;
  uint32_t group_size = 1;       // rows of one n-gram: its hash heads
  std::vector<uint32_t> orders;  // n-gram orders as a token's groups list them; may be empty

  uint64_t table_bytes() const { return rows * row_bytes; }
  uint64_t group_bytes() const { return uint64_t{group_size} * row_bytes; }
  friend bool operator==(const TableSpec&, const TableSpec&) = default;
};

// Returns OK or INVALID_ARGUMENT naming the field that is out of range or at odds with another.
absl::Status ValidateTableSpec(const TableSpec& spec);

// Table names: 1 to 200 of letters, digits and "._-/", no path element that is empty, "." or "..".
// Returns OK or INVALID_ARGUMENT.
absl::Status ValidateTableName(absl::string_view name);

// XXH3-128 over all rows in id order, in its canonical (big-endian) form.
struct Digest {
  std::array<uint8_t, 16> bytes{};

  std::string ToHex() const;
  friend bool operator==(const Digest&, const Digest&) = default;
};

// Names one version of one table, and its content.
struct TableIdentity {
  std::string name;
  uint64_t version = 0;  // counts imports of the name from 1
  Digest digest;

  friend bool operator==(const TableIdentity&, const TableIdentity&) = default;
};

struct TableInfo {
  TableIdentity identity;
  TableSpec spec;
  bool published = false;
  int64_t imported_unix_seconds = 0;
  std::string source;  // what was imported, for people
  uint64_t disk_bytes = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_TABLE_SPEC_H_
