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

// What became of groups that were offered with their past.
struct RestoreCounts {
  size_t admitted = 0;
  size_t held = 0;     // were there before
  size_t refused = 0;  // nothing made room for them

  RestoreCounts& operator+=(const RestoreCounts& other) {
    admitted += other.admitted;
    held += other.held;
    refused += other.refused;
    return *this;
  }
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_KNOWN_GROUPS_H_
