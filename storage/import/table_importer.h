// Copies the rows of a source into a new cold table, on all cores, in bounded memory.
#ifndef ENGRAM_STORAGE_IMPORT_TABLE_IMPORTER_H_
#define ENGRAM_STORAGE_IMPORT_TABLE_IMPORTER_H_

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/cold/database.h"
#include "storage/import/row_source.h"
#include "storage/table_spec.h"

namespace engram::storage {

// Threads that an import uses by default: two a core, because they wait for the disk by turns, and
// at most eight, because each holds one segment in memory.
int DefaultImportThreads();

// Writes every segment of `writer` (made for source.spec()) from `source`, and returns the digest
// of all rows. Does not call writer->Finish. `progress` is called by the calling thread, about four
// times a second, with the rows written; when it returns false the import stops with CANCELLED.
//   DATA_LOSS, RESOURCE_EXHAUSTED  as RowSource::ReadRows and ColdTableWriter::WriteSegment
//   CANCELLED
absl::StatusOr<Digest> ImportRows(const RowSource& source, ColdTableWriter* writer, int threads,
                                  const std::function<bool(uint64_t rows_done)>& progress);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_IMPORT_TABLE_IMPORTER_H_
