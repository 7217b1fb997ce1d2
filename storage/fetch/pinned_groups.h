// Brings groups into RAM to stay there.
#ifndef ENGRAM_STORAGE_FETCH_PINNED_GROUPS_H_
#define ENGRAM_STORAGE_FETCH_PINNED_GROUPS_H_

#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "storage/fetch/table_version.h"
#include "storage/placement/known_groups.h"
#include "storage/table_spec.h"

namespace engram::storage {

// Those of the groups that are not pinned.
KnownGroups NotPinned(TableVersion& table, const KnownGroups& groups);

// Reads groups and pins them, again and again until all are: where readers are slow RAM has no
// room at once. On an error some may be pinned, and others that were to be may have come in like
// any groups. Blocks the caller, as RestoreGroups does.
//   groups: different ones, whose pasts say pinned;  go_on: asked several times a second
//   DATA_LOSS           as RestoreGroups
//   RESOURCE_EXHAUSTED  no more may be pinned, or for ten seconds none found room; says which
//   CANCELLED           `go_on` returned false
absl::Status PinGroups(TableVersion& table, KnownGroups groups, absl::FunctionRef<bool()> go_on);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_FETCH_PINNED_GROUPS_H_
