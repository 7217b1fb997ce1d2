// Which share of uses caches of different sizes would serve.
#ifndef ENGRAM_STORAGE_PLACEMENT_MISS_RATIO_CURVE_H_
#define ENGRAM_STORAGE_PLACEMENT_MISS_RATIO_CURVE_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "storage/placement/lru_stack.h"
#include "storage/placement/spatial_sampler.h"

namespace engram::storage {

struct MissRatioCurveOptions {
  uint32_t tracked_groups = 8192;       // at most at once; from 16 on
  uint64_t largest_cache = 1ull << 32;  // in groups; what is asked of the curve
  uint64_t half_life = 1ull << 24;  // in uses, sampled or not: after so many, old ones count half
};

// The hit ratio of LRU caches of all sizes at once, from a sample of the groups: fixed-size SHARDS
// with the correction SHARDS-adj (Waldspurger, Park, Garthwaite, Ahmad, FAST 2015), on exact stack
// distances within the sample. First uses count as misses.
//
// The rate of the sampler falls as groups appear, so that at most tracked_groups are held, but not
// below tracked_groups / largest_cache: at that rate the group that was not used for longest is
// dropped instead, for no cache asked about would hold it. So it may run for ever.
//
// The correction: a sample may lack, or have more than its share of, the few groups with very many
// uses. Uses that are missing from, or too many in, what the sample extrapolates to are added to,
// or taken from, the hits of the smallest caches. Hit ratios are then off by at most 0.02 or so for
// caches of which the sample has 100 groups (rate x size) or more, and by up to 0.05 for smaller
// ones; caches of less than 1 / rate groups are interpolated.
//
// Takes BytesFor(options), 48 bytes a tracked group. Not thread-safe but for sampler().
class MissRatioCurve {
 public:
  static uint64_t BytesFor(const MissRatioCurveOptions& options);

  explicit MissRatioCurve(const MissRatioCurveOptions& options);

  // A use of a group, sampled or not.
  void Add(uint64_t hash);

  // Uses of groups that the sampler did not sample, left out beforehand. The same as Add for each.
  void AddUnsampled(uint64_t uses);

  // For threads that leave out beforehand what is not sampled.
  const SpatialSampler& sampler() const { return sampler_; }

  // The hit ratio of caches of so many groups each, in any order. 0 before the first use.
  std::vector<double> HitRatios(absl::Span<const uint64_t> cache_groups) const;

  double uses() const { return uses_; }  // aged

 private:
  void Age();
  void MakeRoom();
  void LowerRate(double rate);

  const uint32_t capacity_;
  const double lowest_rate_;
  const uint64_t ageing_step_;  // in uses

  SpatialSampler sampler_;
  LruStack stack_;
  // Uses by stack distance within the sample, each with the weight of 1 / rate uses of the stream.
  std::vector<double> uses_at_;
  double sampled_uses_ = 0;  // sum of the weights, first uses included
  double uses_ = 0;          // of all groups
  uint64_t until_ageing_;    // uses until the next step
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_MISS_RATIO_CURVE_H_
