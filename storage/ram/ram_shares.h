// How the tables' caches share the RAM budget.
#ifndef ENGRAM_STORAGE_RAM_RAM_SHARES_H_
#define ENGRAM_STORAGE_RAM_RAM_SHARES_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "storage/ram/byte_budget.h"

namespace engram::storage {

// What a cache makes of its memory.
struct RamShareShape {
  uint64_t overhead_bytes = 0;  // whatever its size
  double bytes_per_group = 1;   // above that
  uint64_t step_bytes = 1;      // takes memory and gives it back by about so much
  uint64_t most_bytes = 0;      // more than this it can never hold
};

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

  // Constant. Thread-safe.
  virtual RamShareShape Shape() const = 0;

  uint64_t held_bytes() const { return held_.load(std::memory_order_relaxed); }

 private:
  friend class RamShares;
  double fixed_part_ = 0;       // constant once joined, as are
  uint64_t minimum_bytes_ = 0;  // and
  uint64_t size_ = 0;           // the weight without targets
  std::atomic<uint64_t> weight_{0};
  std::atomic<uint64_t> held_{0};
  std::atomic<uint64_t> owed_{0};  // asked for, and not received yet
};

// Memory that nobody has taken goes to whoever wants it first. When the budget is exhausted, a
// cache with less than its fair share has the one that is furthest above its own give some back. A
// fair share is a fixed part of the budget, for shares that have one. Of the caches' other memory,
// it is the part that corresponds to a table's part of the bytes of all tables whose caches want
// memory; or to its part of the targets, once such were set: a share that joins later has what its
// size is beside the others', all of which then have less in proportion. Thread-safe.
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
  //   fixed_part: of the budget that it is entitled to; 0: its weight decides
  void Join(RamShare* share, uint64_t weight, uint64_t minimum_bytes, double fixed_part = 0);
  void Leave(RamShare* share);  // does nothing if it never joined

  // Lock-free. The bytes that the share must leave free when it takes `bytes` more: what is set
  // aside, and, if it would be above its fair share, what others have been promised; all there is
  // if it must stay `within` that.
  uint64_t Headroom(const RamShare& share, uint64_t bytes, bool within = false) const;

  // Lock-free. Records what a joined share's cache holds of the budget.
  void SetHeld(RamShare* share, uint64_t bytes);

  // A cache found no room for `bytes`. If it is entitled to them, another one is asked to give
  // memory back, which a later attempt then finds free.
  void Ask(RamShare* share, uint64_t bytes);

  struct State {
    uint64_t held_bytes = 0;
    uint64_t fair_bytes = 0;
    uint64_t minimum_bytes = 0;
    double fixed_part = 0;
  };
  // Nothing if it has not joined.
  std::optional<State> StateOf(const RamShare& share) const;

  // What the shares without a fixed part divide between them.
  uint64_t DivisibleBytes() const;

  struct Target {
    RamShare* share;
    uint64_t bytes;
  };
  // Changes fair shares in proportion to these. Shares that have a fixed part, or have not joined,
  // are passed over; others that are not named keep their part.
  void SetTargets(absl::Span<const Target> targets);

  // While set, a share takes nothing beyond its fair one, even if it is free.
  void SetStrict(bool strict) { strict_.store(strict, std::memory_order_relaxed); }

  // How far a share is above `fair_bytes`, in the steps in which it can give back.
  static uint64_t SurplusOf(const RamShare& share, uint64_t fair_bytes);

  // Has the share that is furthest above its fair one give back up to `most_bytes` of that, unless
  // as much is free already. Returns how far all shares are above theirs, in whole steps of each.
  uint64_t Shed(uint64_t most_bytes);

  // Sets memory aside for something that is no share: these bytes, once they are free, no share
  // takes. Whoever takes them sets less aside then.
  void SetAside(uint64_t bytes) { set_aside_.store(bytes, std::memory_order_relaxed); }
  // More than this should not be set aside: half of what all shares divide.
  uint64_t MostSetAside() const { return CacheBytes() / 2; }
  // While less is free than is set aside, has every share above its minimum give some back, about
  // `most_bytes` together, in proportion to what they hold.
  void FreeSetAside(uint64_t most_bytes);

 private:
  uint64_t FixedBytes(double part) const;
  uint64_t CacheBytes() const;  // what all shares divide
  uint64_t FairBytes(const RamShare& share) const;
  void SetOwed(RamShare* share, uint64_t bytes);

  const std::shared_ptr<ByteBudget> budget_;
  std::atomic<bool> strict_{false};
  std::atomic<uint64_t> fixed_bytes_{0};   // of all shares with a fixed part
  std::atomic<uint64_t> total_weight_{0};  // of those without
  std::atomic<uint64_t> total_held_{0};
  std::atomic<uint64_t> total_owed_{0};
  std::atomic<uint64_t> set_aside_{0};
  mutable absl::Mutex mutex_;
  std::vector<RamShare*> shares_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_RAM_RAM_SHARES_H_
