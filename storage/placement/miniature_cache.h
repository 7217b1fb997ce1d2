// A cache of hashes alone, run by the eviction policy of the RAM tier.
#ifndef ENGRAM_STORAGE_PLACEMENT_MINIATURE_CACHE_H_
#define ENGRAM_STORAGE_PLACEMENT_MINIATURE_CACHE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "storage/placement/reuse_policy.h"
#include "storage/placement/slot_index.h"

namespace engram::storage {

// Calls the policy as the RAM tier does for groups that are looked up one by one, each of which is
// offered at once if it was missed. Takes some 44 bytes a slot, and what ReuseModel takes. Not
// thread-safe.
class MiniatureCache {
 public:
  MiniatureCache(uint32_t slots, const ReusePolicyOptions& options);  // at least 1 slot
  MiniatureCache(const MiniatureCache&) = delete;
  MiniatureCache& operator=(const MiniatureCache&) = delete;

  // Returns whether the cache held the group.
  bool Use(const GroupKey& group);

  uint32_t slots() const { return slots_; }

 private:
  struct alignas(64) Line {
    std::array<std::byte, 64> bytes;
  };

  const uint32_t slots_;
  ReusePolicy policy_;
  std::vector<Line> state_;
  SlotIndex index_;
  uint32_t held_ = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_MINIATURE_CACHE_H_
