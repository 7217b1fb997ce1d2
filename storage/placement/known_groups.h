// Groups as they are told from one who used them to another.
#ifndef ENGRAM_STORAGE_PLACEMENT_KNOWN_GROUPS_H_
#define ENGRAM_STORAGE_PLACEMENT_KNOWN_GROUPS_H_

#include <cstddef>
#include <cstdint>
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

// What became of groups that were to be pinned, or unpinned.
struct PinCounts {
  uint64_t changed = 0;    // groups that were not yet as they are now
  uint64_t unchanged = 0;  // different groups that were before
  uint64_t pinned = 0;     // all groups of the table that are
  bool saved = false;      // whether it outlasts the process
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_KNOWN_GROUPS_H_
