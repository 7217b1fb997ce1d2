// Which groups a cache keeps. Knows slots and hashes, nothing of memory or rows.
#ifndef ENGRAM_STORAGE_RAM_EVICTION_POLICY_H_
#define ENGRAM_STORAGE_RAM_EVICTION_POLICY_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace engram::storage {

// The index of a slot, which holds one group, in a cache.
using SlotId = uint32_t;

// OnHit is called by any number of threads at once, alongside everything else, and must be
// lock-free. All other calls come one at a time. A slot is occupied from OnInsert to OnRemove.
class EvictionPolicy {
 public:
  virtual ~EvictionPolicy() = default;

  // State that the policy needs for each slot; the cache charges it to the RAM budget.
  virtual size_t bytes_per_slot() const = 0;

  // Called once, before any other call. `state` is zeroed, [slots x bytes_per_slot()], aligned to a
  // cache line, and outlives the policy's use.
  virtual void Init(std::byte* state, uint32_t slots) = 0;

  // Groups were found in these slots. A slot may have been removed in the meantime; it is not
  // inserted again before the call returns.
  virtual void OnHit(absl::Span<const SlotId> slots) = 0;

  // Whether a group that is not held is worth a slot, another's if need be.
  virtual bool ShouldAdmit(uint64_t group_hash) = 0;

  virtual void OnInsert(SlotId slot, uint64_t group_hash) = 0;
  virtual void OnRemove(SlotId slot) = 0;

  // The slot to evict next; at least one is occupied. The cache answers with OnRemove.
  virtual SlotId PickVictim() = 0;

  // The same among these slots only: at least one, all occupied.
  virtual SlotId PickVictimAmong(absl::Span<const SlotId> slots) = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_RAM_EVICTION_POLICY_H_
