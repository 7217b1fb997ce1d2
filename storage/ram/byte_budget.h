// A hard limit that all tables share: of the memory of RAM tiers, or of the disk of warm ones.
#ifndef ENGRAM_STORAGE_RAM_BYTE_BUDGET_H_
#define ENGRAM_STORAGE_RAM_BYTE_BUDGET_H_

#include <atomic>
#include <cstdint>

namespace engram::storage {

// Counts bytes against a limit that is never exceeded: they are reserved here before they are taken
// from the system, and released after they went back. Thread-safe, lock-free.
class ByteBudget {
 public:
  explicit ByteBudget(uint64_t limit_bytes) : limit_(limit_bytes) {}
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  // Takes `bytes` if that leaves at least `headroom` bytes of the limit free; else takes nothing.
  bool TryReserve(uint64_t bytes, uint64_t headroom = 0);

  // Gives back bytes that were reserved.
  void Release(uint64_t bytes);

  uint64_t used_bytes() const { return used_.load(std::memory_order_relaxed); }
  uint64_t limit_bytes() const { return limit_; }

 private:
  const uint64_t limit_;
  std::atomic<uint64_t> used_{0};
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_RAM_BYTE_BUDGET_H_
