// ColdTableWriter: SST files beside the database, then moved into it.
#ifndef ENGRAM_STORAGE_COLD_TABLE_WRITER_H_
#define ENGRAM_STORAGE_COLD_TABLE_WRITER_H_

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "storage/cold/database.h"
#include "storage/cold/instance.h"

namespace engram::storage {

// Makes the readable table out of a column family that holds all its pages.
using OpenFinishedTable = std::function<std::unique_ptr<ColdTable>(
    const std::shared_ptr<ColumnFamily>& family, const TableSpec& spec)>;

// As Database::NewTable; segments take about `segment_bytes`.
absl::StatusOr<std::unique_ptr<ColdTableWriter>> NewColdTableWriter(
    std::shared_ptr<Instance> instance, uint64_t uid, const TableSpec& spec, uint64_t segment_bytes,
    OpenFinishedTable open_finished);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_COLD_TABLE_WRITER_H_
