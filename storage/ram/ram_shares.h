// How the tables' caches share the RAM budget.
#ifndef ENGRAM_STORAGE_RAM_RAM_SHARES_H_
#define ENGRAM_STORAGE_RAM_RAM_SHARES_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/ram/byte_budget.h"

namespace engram::storage {

// One cache's part of the budget. The cache owns it; RamShares keeps its books in it.
class RamShare {
 public:
  RamShare() = default;
  virtual ~RamShare() = default;
  RamShare(const RamShare&) = delete;
  RamShare& operator=(const RamShare&) = delete;

  // Asks the cache to return about `bytes` to the budget, now or as soon as its readers allow. Is
  // called with RamShares locked, so it must not call there, except for SetHeld.
  virtual void GiveBack(uint64_t bytes) = 0;

  uint64_t held_bytes() const { return held_.load(std::memory_order_relaxed); }

 private:
  friend class RamShares;
  uint64_t weight_ = 0;         // constant once joined
  uint64_t minimum_bytes_ = 0;  // constant once joined
  std::atomic<uint64_t> held_{0};
  std::atomic<uint64_t> owed_{0};  // asked for, and not received yet
};

// Memory that nobody has taken goes to whoever wants it first. When the budget is exhausted, a
// cache with less than its fair share has the one that is furthest above its own give some back. A
// fair share is the part of the caches' memory that corresponds to a table's part of the bytes of
// all tables whose caches want memory. Thread-safe.
//
// Lock order: RamShares, then a cache. Functions marked lock-free may be called by a cache that
// holds its own lock.
class RamShares {
 public:
  explicit RamShares(std::shared_ptr<ByteBudget> budget);

  const std::shared_ptr<ByteBudget>& budget() const { return budget_; }

  // From its first wish for memory to its end, a share counts among those that divide the budget.
  //   weight: what the fair share is proportional to: the table's bytes
  //   minimum_bytes: what the cache needs to hold anything at all; it is entitled to no less
  void Join(RamShare* share, uint64_t weight, uint64_t minimum_bytes);
  void Leave(RamShare* share);  // does nothing if it never joined

  // Lock-free. The bytes that the share must leave free when it takes `bytes` more: what others
  // have been promised, if it would be above its fair share.
  uint64_t Headroom(const RamShare& share, uint64_t bytes) const;

  // Lock-free. Records what a joined share's cache holds of the budget.
  void SetHeld(RamShare* share, uint64_t bytes);

  // A cache found no room for `bytes`. If it is entitled to them, another one is asked to give
  // memory back, which a later attempt then finds free.
  void Ask(RamShare* share, uint64_t bytes);

 private:
  uint64_t FairBytes(const RamShare& share) const;
  void SetOwed(RamShare* share, uint64_t bytes);

  const std::shared_ptr<ByteBudget> budget_;
  std::atomic<uint64_t> total_weight_{0};
  std::atomic<uint64_t> total_held_{0};
  std::atomic<uint64_t> total_owed_{0};
  absl::Mutex mutex_;
  std::vector<RamShare*> shares_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_RAM_RAM_SHARES_H_
