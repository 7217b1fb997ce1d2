// Who wants to know which groups are used.
#ifndef ENGRAM_STORAGE_PLACEMENT_USE_OBSERVER_H_
#define ENGRAM_STORAGE_PLACEMENT_USE_OBSERVER_H_

#include <atomic>
#include <cstdint>

#include "storage/placement/eviction_policy.h"
#include "storage/placement/spatial_sampler.h"

namespace engram::storage {

// Is told of a part of all uses, chosen in two ways:
//   sampled  all uses of some groups: how groups come back
//   picked   some uses, whatever their groups: which groups are popular, how many uses are hits
// All functions may be called by any number of threads at once, and take no lock.
class UseObserver {
 public:
  virtual ~UseObserver() = default;

  // Says of which groups each use is to be noted.
  const SpatialSampler& sampler() const { return sampler_; }
  virtual void OnSampled(const GroupKey& group) = 0;

  // Numbers uses, sampled or not, in the order of their arrival. Returns the first one's number.
  uint64_t CountUses(uint64_t uses) { return uses_.fetch_add(uses, std::memory_order_relaxed); }

  // The first use from this one on that is picked: one at a random place in each 2^thinning().
  uint64_t NextPick(uint64_t use) const {
    const int bits = thinning_.load(std::memory_order_relaxed);
    const uint64_t block = use >> bits;
    const uint64_t pick = PickIn(block, bits);
    return pick >= use ? pick : PickIn(block + 1, bits);
  }
  virtual void OnPicked(const GroupKey& group, bool held) = 0;

  uint64_t uses() const { return uses_.load(std::memory_order_relaxed); }
  int thinning() const { return thinning_.load(std::memory_order_relaxed); }

 protected:
  explicit UseObserver(int thinning) : thinning_(thinning) {}

  SpatialSampler& mutable_sampler() { return sampler_; }
  void set_thinning(int bits) { thinning_.store(bits, std::memory_order_relaxed); }

 private:
  static uint64_t PickIn(uint64_t block, int bits) {
    const uint64_t mixed = (block ^ block >> 32 ^ 0xD6E8FEB86659FD93u) * 0x9E3779B97F4A7C15u;
    return block << bits | (mixed >> 32 & ((uint64_t{1} << bits) - 1));
  }

  SpatialSampler sampler_;
  std::atomic<int> thinning_;
  alignas(64) std::atomic<uint64_t> uses_{0};  // written by all threads, unlike the rest
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_USE_OBSERVER_H_
