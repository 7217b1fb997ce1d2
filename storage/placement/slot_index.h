// Finds the slot of a hash among a fixed number of them.
#ifndef ENGRAM_STORAGE_PLACEMENT_SLOT_INDEX_H_
#define ENGRAM_STORAGE_PLACEMENT_SLOT_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace engram::storage {

// A table of open addressing, half full at most, that never grows. Which slots are used is the
// caller's business. Hashes must be well mixed in their upper half. Not thread-safe.
class SlotIndex {
 public:
  static constexpr uint32_t kNone = 0xFFFFFFFFu;
  static constexpr uint32_t kMaxSlots = 1u << 30;
  static constexpr uint64_t kBytesPerSlot = 16;

  explicit SlotIndex(uint32_t slots);  // 1 to kMaxSlots

  // Returns the slot of this hash, or kNone.
  uint32_t Find(uint64_t hash) const {
    for (size_t i = Home(hash); places_[i] != 0; i = After(i)) {
      if (hashes_[places_[i] - 1] == hash) return places_[i] - 1;
    }
    return kNone;
  }

  // Neither the hash nor the slot may be in the index.
  void Insert(uint64_t hash, uint32_t slot);

  // The slot must be in the index.
  void Remove(uint32_t slot);

  // The hash that was last inserted with this slot.
  uint64_t hash(uint32_t slot) const { return hashes_[slot]; }

 private:
  size_t Home(uint64_t hash) const {
    return static_cast<size_t>(((hash >> 32) * places_.size()) >> 32);
  }
  size_t After(size_t place) const { return place + 1 < places_.size() ? place + 1 : 0; }
  size_t Distance(size_t from, size_t to) const {
    return to >= from ? to - from : to + places_.size() - from;
  }

  std::vector<uint64_t> hashes_;  // of each slot
  std::vector<uint32_t> places_;  // slot + 1; 0: empty. A hash stands in its home or right after
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_SLOT_INDEX_H_
