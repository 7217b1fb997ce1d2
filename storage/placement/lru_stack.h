// Exact LRU stack distances of a bounded number of groups.
#ifndef ENGRAM_STORAGE_PLACEMENT_LRU_STACK_H_
#define ENGRAM_STORAGE_PLACEMENT_LRU_STACK_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "storage/placement/slot_index.h"

namespace engram::storage {

// Groups by hash in the order of their last uses. A use takes time logarithmic in the capacity, and
// on average as much for the renumbering of positions. Takes kBytesPerGroup of its capacity. Not
// thread-safe.
class LruStack {
 public:
  static constexpr uint32_t kNotHeld = 0xFFFFFFFFu;
  static constexpr uint64_t kBytesPerGroup = SlotIndex::kBytesPerSlot + 24;

  explicit LruStack(uint32_t capacity);  // 1 to SlotIndex::kMaxSlots / 2

  // Puts the group on top. Returns how many others were used since it was last, or kNotHeld if it
  // is new. The stack must have room for a new one.
  uint32_t Use(uint64_t hash);

  // Removes the group that has not been used for longest. There is one.
  void DropOldest();

  // Removes the groups for whose hash `drop` returns true.
  template <typename Predicate>
  void DropIf(Predicate drop) {
    for (uint32_t position = oldest_; position < next_; ++position) {
      const uint32_t slot = slot_at_[position];
      if (slot != kEmpty && drop(index_.hash(slot))) Drop(position);
    }
  }

  uint32_t size() const { return size_; }

 private:
  static constexpr uint32_t kEmpty = 0xFFFFFFFFu;

  void Drop(uint32_t position);
  void Append(uint32_t slot);
  void Renumber();
  void Change(uint32_t position, uint32_t difference);
  uint32_t CountUpTo(uint32_t position) const;

  SlotIndex index_;
  std::vector<uint32_t> position_of_;  // of a slot
  std::vector<uint32_t> free_slots_;

  // Positions in the order of last use, twice as many as slots. A Fenwick tree counts those that
  // are taken: tree_[i] has the count of the (i & -i) positions that end with i - 1.
  std::vector<uint32_t> slot_at_;  // kEmpty: no group was last used here
  std::vector<uint32_t> tree_;
  uint32_t oldest_ = 0;  // all positions before it are empty
  uint32_t next_ = 0;    // all from it on are
  uint32_t size_ = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_LRU_STACK_H_
