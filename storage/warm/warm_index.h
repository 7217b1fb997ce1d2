// Which group stands in which slot of the warm tier, and how it was used.
#ifndef ENGRAM_STORAGE_WARM_WARM_INDEX_H_
#define ENGRAM_STORAGE_WARM_WARM_INDEX_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "storage/placement/eviction_policy.h"
#include "storage/ram/group_index.h"

namespace engram::storage {

// What is known of a group in the warm tier.
struct WarmUse {
  uint8_t uses = 0;
  uint8_t order = 0;    // of its n-gram, as GroupKey has it
  bool in_ram = false;  // as well
};

// Find may be called by any number of threads alongside everything else; all else by one at a time.
// A group is told from others by 26 bits of its hash or more: the ids in its record decide.
class WarmIndex {
 public:
  // Some 8.4 bytes a slot.
  static uint64_t BytesFor(uint32_t slots);

  // `memory` holds BytesFor(slots) bytes, zeroed, aligned to a page, and outlives the index.
  WarmIndex(std::byte* memory, uint32_t slots);

  std::optional<SlotId> Find(uint64_t hash) const;

  // Enters a group; returns false if there is no room for it.
  bool Insert(uint64_t hash, SlotId slot, const WarmUse& use);

  // Takes out all groups in slots from `begin` to before `end`, so that `holds` is false.
  void Clear(SlotId begin, SlotId end);
  // Makes room for others in slots that were cleared. Goes through the whole index; does not mind
  // calls of all but Insert meanwhile.
  void RemoveCleared(SlotId begin, SlotId end) { groups_.RemoveRange(begin, end); }

  bool holds(SlotId slot) const { return kinds_[slot] != 0; }
  // Of a slot that holds a group.
  WarmUse use(SlotId slot) const {
    const auto kind = static_cast<uint8_t>(kinds_[slot] - 1);
    return {uses_[slot], static_cast<uint8_t>(kind / 2), kind % 2 != 0};
  }
  void Update(SlotId slot, const WarmUse& use) {
    uses_[slot] = use.uses;
    kinds_[slot] = static_cast<uint8_t>(1 + 2 * use.order + (use.in_ram ? 1 : 0));
  }

  uint64_t size() const { return size_.load(std::memory_order_relaxed); }  // any thread

 private:
  static uint16_t CheckOf(uint64_t hash);

  GroupIndex groups_;
  std::atomic<uint16_t>* checks_;  // [slots]
  uint8_t* uses_;                  // [slots]
  uint8_t* kinds_;                 // [slots]; 0: no group is here
  std::atomic<uint64_t> size_{0};
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_WARM_WARM_INDEX_H_
