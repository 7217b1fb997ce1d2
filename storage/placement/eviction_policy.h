// Which groups a cache keeps. Knows slots and hashes, nothing of memory or rows.
#ifndef ENGRAM_STORAGE_PLACEMENT_EVICTION_POLICY_H_
#define ENGRAM_STORAGE_PLACEMENT_EVICTION_POLICY_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "storage/placement/group_history.h"

namespace engram::storage {

// The index of a slot, which holds one group, in a cache.
using SlotId = uint32_t;

// What tells a group from others here.
struct GroupKey {
  uint64_t hash = 0;   // all bits well mixed
  uint32_t order = 0;  // index of its n-gram order (NgramOrders)
};

// OnHit is called by any number of threads at once, alongside everything else, and must be
// lock-free. All other calls but pinned() come one at a time. A slot is occupied from OnInsert to
// OnRemove. While it is pinned it is no victim.
class EvictionPolicy {
 public:
  virtual ~EvictionPolicy() = default;

  // State that the policy needs for a cache of `slots` slots; charged to the RAM budget.
  virtual uint64_t StateBytes(uint64_t slots) const = 0;

  // Called once, before any other call. `state` holds StateBytes(slots) bytes, zeroed, aligned to a
  // cache line, and outlives the policy's use.
  virtual void Init(std::byte* state, uint32_t slots) = 0;

  // Groups were found in these slots. A slot may have been removed in the meantime; it is not
  // inserted again before the call returns.
  virtual void OnHit(absl::Span<const SlotId> slots) = 0;

  virtual void OnInsert(SlotId slot, const GroupKey& group) = 0;
  virtual void OnRemove(SlotId slot, const GroupKey& group) = 0;

  // A group that is not held was used, and no slot is free: returns the slot that should be its,
  // which the cache answers with OnRemove; or none, if every group held is worth more or pinned. At
  // least one slot is occupied.
  virtual std::optional<SlotId> PickVictim(const GroupKey& newcomer) = 0;

  // How often a group was used, as far as is remembered, up to 255: the one in an occupied slot;
  // and one that is not held, at least 1.
  virtual uint8_t UsesOf(SlotId slot) const = 0;
  virtual uint8_t UsesOf(const GroupKey& group) const = 0;

  // The slot that is worth least of these, all occupied; or none, if all are pinned.
  virtual std::optional<SlotId> PickVictimAmong(absl::Span<const SlotId> slots) = 0;

  // What is known of the group in a slot: uses is 0 if none is there.
  virtual GroupPast PastOf(SlotId slot) const = 0;
  // What the group in an occupied slot is worth, at least 0: only to be compared.
  virtual float WorthOf(SlotId slot) const = 0;

  // Remembers a group that is not held, and whose past, at least one use, was learned elsewhere.
  virtual void Remember(const GroupKey& group, const GroupPast& past) = 0;
  // OnInsert and PickVictim for such a group, which is not used now. One that gets no slot is
  // remembered; worth as much as others it gets none, unless it is to be pinned: then it gets one
  // whatever it is worth, and OnRestore pins it there.
  virtual void OnRestore(SlotId slot, const GroupKey& group, const GroupPast& past) = 0;
  virtual std::optional<SlotId> PickVictimFor(const GroupKey& group, const GroupPast& past) = 0;

  // Pins an occupied slot, or lets it go again.
  virtual void SetPinned(SlotId slot, bool pinned) = 0;
  virtual bool IsPinned(SlotId slot) const = 0;
  // Slots that are pinned now. Called from any thread.
  virtual uint64_t pinned() const = 0;
  // The group in an occupied slot moved to another, which was not, with all that is known of it.
  virtual void OnMove(SlotId from, SlotId to) = 0;

  // What was learned of groups in general, as numbers that Teach of another policy of this kind
  // understands; it returns false, and learns nothing, where it does not. May be called before
  // Init.
  virtual std::vector<float> Knowledge() const = 0;
  virtual bool Teach(absl::Span<const float> knowledge) = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_EVICTION_POLICY_H_
