// Which group stands in which slot of the warm tier, and what it is worth.
#ifndef ENGRAM_STORAGE_WARM_WARM_INDEX_H_
#define ENGRAM_STORAGE_WARM_WARM_INDEX_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "storage/placement/eviction_policy.h"
#include "storage/ram/group_index.h"

namespace engram::storage {

// Find may be called by any number of threads alongside everything else; all else by one at a time.
// A group is told from others by 26 bits of its hash or more: the ids in its record decide.
class WarmIndex {
 public:
  // Some 8.4 bytes a slot.
  static uint64_t BytesFor(uint32_t slots);

  // `memory` holds BytesFor(slots) bytes, zeroed, aligned to a page, and outlives the index.
  WarmIndex(std::byte* memory, uint32_t slots);

  std::optional<SlotId> Find(uint64_t hash) const;

  // Enters a group; returns false if there is no room for it. level: at least 1
  bool Insert(uint64_t hash, SlotId slot, uint8_t uses, uint8_t level);

  // Takes out all groups in slots from `begin` to before `end`. Goes through the whole index.
  void RemoveRange(SlotId begin, SlotId end);

  uint8_t uses(SlotId slot) const { return uses_[slot]; }
  uint8_t level(SlotId slot) const { return levels_[slot]; }  // 0: no group is here
  void Update(SlotId slot, uint8_t uses, uint8_t level) {
    uses_[slot] = uses;
    levels_[slot] = level;
  }

  uint64_t size() const { return size_.load(std::memory_order_relaxed); }  // any thread

 private:
  static uint16_t CheckOf(uint64_t hash);

  GroupIndex groups_;
  std::atomic<uint16_t>* checks_;  // [slots]
  uint8_t* uses_;                  // [slots]
  uint8_t* levels_;                // [slots]
  std::atomic<uint64_t> size_{0};
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_WARM_WARM_INDEX_H_
