// Rows of tables as model files hold them, ready to be imported.
#ifndef ENGRAM_STORAGE_IMPORT_ROW_SOURCE_H_
#define ENGRAM_STORAGE_IMPORT_ROW_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "storage/import/import_options.h"
#include "storage/table_spec.h"

namespace engram::storage {

// The rows of one table. Thread-safe.
class RowSource {
 public:
  virtual ~RowSource() = default;

  // Valid (ValidateTableSpec).
  virtual const TableSpec& spec() const = 0;

  // Where the rows come from, for people: "/models/v41: layers.1.engram.embed.weight + .scale".
  virtual const std::string& description() const = 0;

  // Reads rows first .. first + count - 1 into `out` [count x row_bytes], values and scales of each
  // row side by side. Memory used is bounded by a few MiB a call.
  //   DATA_LOSS  the file could not be read, or is shorter than its header says
  virtual absl::Status ReadRows(uint64_t first, uint64_t count,
                                absl::Span<std::byte> out) const = 0;
};

struct NamedRowSource {
  std::string table;
  std::unique_ptr<RowSource> rows;
};

// Opens everything that `options` select; every header is parsed and checked before this returns.
//   INVALID_ARGUMENT  malformed file, overlapping or truncated tensor, wrong type or shape,
//                     a bad name, contradictory options
//   NOT_FOUND         a file, shard, tensor or layer is not there
//   PERMISSION_DENIED, RESOURCE_EXHAUSTED  a file may not be opened, or no more files
//   DATA_LOSS         a file could not be read
absl::StatusOr<std::vector<NamedRowSource>> OpenRowSources(const ImportOptions& options);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_IMPORT_ROW_SOURCE_H_
