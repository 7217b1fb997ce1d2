// Rows put together from the tensors of a table.
#ifndef ENGRAM_STORAGE_IMPORT_PACKED_ROWS_H_
#define ENGRAM_STORAGE_IMPORT_PACKED_ROWS_H_

#include <memory>
#include <string>

#include "storage/import/row_source.h"
#include "storage/import/table_layout.h"
#include "storage/table_spec.h"

namespace engram::storage {

// `spec` must be LayOutTable's for these tensors, and valid. Keeps the tensors' files open.
std::unique_ptr<RowSource> MakePackedRows(const TableSpec& spec, const TableTensors& tensors,
                                          std::string description);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_IMPORT_PACKED_ROWS_H_
