// Which share of uses RAM tiers of other sizes would serve.
#ifndef ENGRAM_STORAGE_PLACEMENT_POLICY_CURVE_H_
#define ENGRAM_STORAGE_PLACEMENT_POLICY_CURVE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "storage/placement/eviction_policy.h"
#include "storage/placement/miniature_cache.h"
#include "storage/store_stats.h"

namespace engram::storage {

struct PolicyCurveOptions {
  uint64_t cache_groups = 1;  // the size of the RAM tier, around which others are simulated
  double rate = 1;            // of the spatial sample, (0, 1]
  uint32_t orders = 1;        // of n-grams (NgramOrders::count)
  double ghosts_per_slot = 2;
  uint64_t random_seed = 0;
  uint64_t half_life = 1u << 18;  // in sampled uses: after so many, old ones count half
};

// The hit ratio of the RAM tier's own policy by cache size, through miniature simulation
// (Waldspurger, Saemundsson, Ahmad, Park: "Cache modeling and optimization using miniature
// simulations", ATC 2017): the uses of the groups of a spatial sample run through caches of rate
// times the size. Eight caches, from 1/64 to 16 times the RAM tier, closer together around it;
// between them the ratio is interpolated over the logarithm of the size.
//
// A sample may lack, or have more than its share of, the few groups with very many uses. As almost
// all uses of those are hits, the misses of the sample are set against the uses that it should have
// had, rate times those of the stream (the same thought as in SHARDS-adj).
//
// On traces of text within 1.3 points of the policy's own hit ratio where the RAM tier has 2048
// slots in the sample; where it has 512, within two at its size and larger ones, and four at a
// tenth. Costs some 8 us of CPU a sampled use, and memory for 24 times the RAM tier's slots in the
// sample, 44 bytes each. Not thread-safe.
class PolicyCurve {
 public:
  // A smaller cache is no likeness of a large one.
  static constexpr uint32_t kLeastSlots = 32;

  explicit PolicyCurve(const PolicyCurveOptions& options);

  // A use of a sampled group.
  void Use(const GroupKey& group);

  // So many uses, of all groups, were those that the sampled ones were picked from.
  void AddUses(double uses);

  // By size, the hit ratio of each cache simulated; sizes too small for the rate are left out.
  // Ratios do not fall with the size. Nothing before the first use.
  std::vector<HitRatioPoint> Points() const;

  // The hit ratio of a cache of so many groups: below the smallest size simulated a straight line
  // from nothing, above the largest no more than that one's.
  double HitRatio(double groups) const;

  uint64_t sampled_uses() const { return sampled_uses_; }  // since the start, not aged

 private:
  struct Simulation {
    double groups;
    std::unique_ptr<MiniatureCache> cache;
    double misses = 0;  // aged
  };

  void Age();

  const double rate_;
  const uint64_t ageing_step_;  // in sampled uses
  std::vector<Simulation> simulations_;
  double uses_ = 0;  // of all groups, aged
  uint64_t sampled_uses_ = 0;
};

// The same interpolation in any list of points by size.
double InterpolateHitRatio(absl::Span<const HitRatioPoint> points, double groups);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_POLICY_CURVE_H_
