// What a cache tells the tier below it.
#ifndef ENGRAM_STORAGE_PLACEMENT_LOWER_TIER_H_
#define ENGRAM_STORAGE_PLACEMENT_LOWER_TIER_H_

#include <cstddef>
#include <cstdint>

#include "storage/placement/eviction_policy.h"
#include "storage/table_spec.h"

namespace engram::storage {

// Calls come one at a time, from a cache that is locked, and must be short.
class LowerTier {
 public:
  virtual ~LowerTier() = default;

  // The cache holds the group from now on.
  //   told_uses: how often it was used, if that was told and not seen; or else 0
  virtual void OnEnter(const GroupKey& group, uint8_t told_uses) = 0;

  // The cache holds it no more, or refused it.
  //   uses: of the group, as far as the cache remembers; at least 1
  //   ids: [group_size];  rows: [group_size x row_bytes]; both live for the call
  virtual void OnLeave(const GroupKey& group, uint8_t uses, const RowId* ids,
                       const std::byte* rows) = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_LOWER_TIER_H_
