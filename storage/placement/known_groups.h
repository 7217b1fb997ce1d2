// Groups as they are told from one who used them to another.
#ifndef ENGRAM_STORAGE_PLACEMENT_KNOWN_GROUPS_H_
#define ENGRAM_STORAGE_PLACEMENT_KNOWN_GROUPS_H_

#include <cstddef>
#include <vector>

#include "storage/placement/group_history.h"
#include "storage/table_spec.h"

namespace engram::storage {

// Groups by their row ids, and what is known of their use.
struct KnownGroups {
  std::vector<RowId> row_ids;    // [groups x group_size]
  std::vector<GroupPast> pasts;  // [groups]

  size_t size() const { return pasts.size(); }
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_KNOWN_GROUPS_H_
