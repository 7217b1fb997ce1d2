// Brings groups into RAM that nobody fetched.
#ifndef ENGRAM_STORAGE_FETCH_GROUP_RESTORE_H_
#define ENGRAM_STORAGE_FETCH_GROUP_RESTORE_H_

#include <cstddef>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "storage/fetch/table_version.h"
#include "storage/placement/known_groups.h"
#include "storage/ram/ram_tier.h"
#include "storage/table_spec.h"

namespace engram::storage {

// How many groups RestoreGroups reads at a time, so that their rows take 64 MiB at most.
size_t GroupsOfOneRestore(const TableSpec& spec);

// Reads the rows of groups, from the warm tier where that has them, in the order in which they are
// on disk, and offers them to RAM (RamTier::Restore) in the order given. No fetch counts them.
// Blocks the caller, with as many reads in flight as one thread keeps, and while the warm tier is
// behind with writing what RAM refuses.
//   row_ids: [groups x group_size];  pasts: [groups];  go_on: asked several times a second
//   DATA_LOSS, RESOURCE_EXHAUSTED  as ColdTable::ReadRows; none of those that were being read
//                                  was offered
//   CANCELLED                      `go_on` returned false
absl::StatusOr<RestoreCounts> RestoreGroups(TableVersion& table, absl::Span<const RowId> row_ids,
                                            absl::Span<const GroupPast> pasts, RestoreRoom room,
                                            absl::FunctionRef<bool()> go_on);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_FETCH_GROUP_RESTORE_H_
