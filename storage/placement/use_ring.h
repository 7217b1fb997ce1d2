// Uses on their way from the threads that fetch to the one that looks at them.
#ifndef ENGRAM_STORAGE_PLACEMENT_USE_RING_H_
#define ENGRAM_STORAGE_PLACEMENT_USE_RING_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "storage/placement/eviction_policy.h"

namespace engram::storage {

struct NotedUse {
  GroupKey group;     // of an order below 2^31
  bool held = false;  // whether the RAM tier had it
};

// A bounded queue (Vyukov's, for many producers and one consumer). Lock-free; what finds it full is
// counted and lost, so that what arrives is made of stretches without a gap. Takes 16 bytes a use.
class UseRing {
 public:
  explicit UseRing(uint32_t capacity);  // a power of two, up to 2^30

  // By any number of threads at once. Returns whether there was room.
  bool Push(const NotedUse& use);

  // By one thread at a time. Returns false if the ring is empty.
  bool Pop(NotedUse* use);

  uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }  // since the start

 private:
  // A cell is free for the use of a number while its turn is that number, and holds it while its
  // turn is one more.
  struct Cell {
    std::atomic<uint32_t> turn{0};
    uint32_t order_and_held = 0;
    uint64_t hash = 0;
  };

  std::vector<Cell> cells_;
  const uint32_t mask_;
  alignas(64) std::atomic<uint32_t> end_{0};  // number of the next use; wraps
  std::atomic<uint64_t> lost_{0};
  alignas(64) uint32_t begin_ = 0;  // of the consumer
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_USE_RING_H_
