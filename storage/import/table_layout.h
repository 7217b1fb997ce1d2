// From tensors to the shape of a table.
#ifndef ENGRAM_STORAGE_IMPORT_TABLE_LAYOUT_H_
#define ENGRAM_STORAGE_IMPORT_TABLE_LAYOUT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/import/tensor.h"
#include "storage/table_spec.h"

namespace engram::storage {

// The tensors that hold one table.
struct TableTensors {
  // Matrices [rows, values] of one type and width; their rows follow one another. At least one.
  std::vector<Tensor> weights;
  // Either a byte a block of each row, F8_E8M0 or U8 [all rows, blocks], with F8_E4M3 values; or
  // one number, F32, F16 or BF16, with F8_E4M3 or I8 values.
  std::optional<Tensor> scale;
};

// Returns the spec of the table, without group size and orders: F8_E4M3, BF16, F16, F32 and I8 keep
// their meaning; all other types become opaque bytes. Reads the scale if it is one number.
//   INVALID_ARGUMENT  a tensor's type or shape does not fit; names the file and the tensor
//   DATA_LOSS         the scale could not be read
absl::StatusOr<TableSpec> LayOutTable(const TableTensors& tensors);

// Whether a scale is stored in the rows, after the values.
inline bool HasScalesInRows(const TableSpec& spec) { return spec.scale_block != 0; }

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_IMPORT_TABLE_LAYOUT_H_
