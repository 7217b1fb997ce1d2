#include "storage/placement/use_ring.h"

#include <bit>
#include <cassert>

namespace engram::storage {

UseRing::UseRing(uint32_t capacity) : cells_(capacity), mask_(capacity - 1) {
  assert(std::has_single_bit(capacity) && capacity <= (1u << 30));
  for (uint32_t i = 0; i < capacity; ++i) cells_[i].turn.store(i, std::memory_order_relaxed);
}

bool UseRing::Push(const NotedUse& use) {
  uint32_t number = end_.load(std::memory_order_relaxed);
  while (true) {
    Cell& cell = cells_[number & mask_];
    const auto ahead = static_cast<int32_t>(cell.turn.load(std::memory_order_acquire) - number);
    if (ahead < 0) {
      lost_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    if (ahead > 0) {
      number = end_.load(std::memory_order_relaxed);
    } else if (end_.compare_exchange_weak(number, number + 1, std::memory_order_relaxed)) {
      cell.order_and_held = use.group.order << 1 | (use.held ? 1 : 0);
      cell.hash = use.group.hash;
      cell.turn.store(number + 1, std::memory_order_release);
      return true;
    }
  }
}

bool UseRing::Pop(NotedUse* use) {
  Cell& cell = cells_[begin_ & mask_];
  if (cell.turn.load(std::memory_order_acquire) != begin_ + 1) return false;
  *use = {.group = {.hash = cell.hash, .order = cell.order_and_held >> 1},
          .held = (cell.order_and_held & 1) != 0};
  cell.turn.store(begin_ + mask_ + 1, std::memory_order_release);
  ++begin_;
  return true;
}

}  // namespace engram::storage
