#include "storage/placement/lru_stack.h"

#include <algorithm>
#include <cassert>

namespace engram::storage {

LruStack::LruStack(uint32_t capacity)
    : index_(capacity),
      position_of_(capacity),
      free_slots_(capacity),
      slot_at_(size_t{capacity} * 2, kEmpty),
      tree_(size_t{capacity} * 2 + 1) {
  for (uint32_t slot = 0; slot < capacity; ++slot) free_slots_[slot] = capacity - 1 - slot;
}

uint32_t LruStack::Use(uint64_t hash) {
  uint32_t slot = index_.Find(hash);
  uint32_t distance = kNotHeld;
  if (slot != SlotIndex::kNone) {
    const uint32_t position = position_of_[slot];
    if (position + 1 == next_) return 0;
    distance = size_ - CountUpTo(position);
    slot_at_[position] = kEmpty;
    Change(position, ~uint32_t{0});
    --size_;
  } else {
    assert(!free_slots_.empty());
    slot = free_slots_.back();
    free_slots_.pop_back();
    index_.Insert(hash, slot);
  }
  if (next_ == slot_at_.size()) Renumber();
  Append(slot);
  return distance;
}

void LruStack::DropOldest() {
  assert(size_ > 0);
  while (slot_at_[oldest_] == kEmpty) ++oldest_;
  Drop(oldest_);
}

void LruStack::Drop(uint32_t position) {
  const uint32_t slot = slot_at_[position];
  index_.Remove(slot);
  free_slots_.push_back(slot);
  slot_at_[position] = kEmpty;
  Change(position, ~uint32_t{0});
  --size_;
}

void LruStack::Append(uint32_t slot) {
  slot_at_[next_] = slot;
  position_of_[slot] = next_;
  Change(next_, 1);
  ++next_;
  ++size_;
}

// Closes the gaps. At least half of the positions are empty.
void LruStack::Renumber() {
  uint32_t end = 0;
  for (uint32_t position = oldest_; position < next_; ++position) {
    const uint32_t slot = slot_at_[position];
    if (slot == kEmpty) continue;
    slot_at_[position] = kEmpty;
    slot_at_[end] = slot;
    position_of_[slot] = end++;
  }
  oldest_ = 0;
  next_ = end;
  for (uint32_t i = 1; i < tree_.size(); ++i) {
    const uint32_t first = i - (i & -i);
    tree_[i] = std::min(i, end) - std::min(first, end);
  }
}

// Adds modulo 2^32.
void LruStack::Change(uint32_t position, uint32_t difference) {
  for (uint32_t i = position + 1; i < tree_.size(); i += i & -i) tree_[i] += difference;
}

uint32_t LruStack::CountUpTo(uint32_t position) const {
  uint32_t count = 0;
  for (uint32_t i = position + 1; i > 0; i -= i & -i) count += tree_[i];
  return count;
}

}  // namespace engram::storage
