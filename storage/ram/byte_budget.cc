#include "storage/ram/byte_budget.h"

#include <cassert>

namespace engram::storage {

bool ByteBudget::TryReserve(uint64_t bytes, uint64_t headroom) {
  uint64_t used = used_.load(std::memory_order_relaxed);
  do {
    const uint64_t free = limit_ - used;
    if (bytes > free || headroom > free - bytes) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
  return true;
}

void ByteBudget::Release(uint64_t bytes) {
  [[maybe_unused]] const uint64_t before = used_.fetch_sub(bytes, std::memory_order_relaxed);
  assert(before >= bytes);
}

}  // namespace engram::storage
