// Decides which groups stand for all of them.
#ifndef ENGRAM_STORAGE_PLACEMENT_SPATIAL_SAMPLER_H_
#define ENGRAM_STORAGE_PLACEMENT_SPATIAL_SAMPLER_H_

#include <atomic>
#include <cassert>
#include <cstdint>

namespace engram::storage {

// A group is sampled, with all its uses, or none of them are: a cache of rate x size that sees the
// sampled groups only behaves like one of the full size that sees all (Waldspurger, Park,
// Garthwaite, Ahmad: "Efficient MRC construction with SHARDS", FAST 2015).
//
// Samples and rate may be called by any thread, alongside Lower. Two samplers sample the same
// groups, as far as their rates go.
class SpatialSampler {
 public:
  static constexpr double kLowestRate = 1.0 / (1u << 30);

  // Hashes must be well mixed in all 64 bits. The hash is mixed once more, so that the sampled ones
  // are still spread over whatever its bits are used for.
  bool Samples(uint64_t hash) const {
    return ValueOf(hash) < threshold_.load(std::memory_order_relaxed);
  }

  // The share of all groups that is sampled: (0, 1], at first 1.
  double rate() const {
    return static_cast<double>(threshold_.load(std::memory_order_relaxed)) / kValues;
  }

  // Samples fewer groups from now on, all of them sampled before. `rate` is not above rate(), nor
  // below kLowestRate. One thread at a time.
  void Lower(double rate) {
    assert(rate <= this->rate() && rate >= kLowestRate);
    threshold_.store(static_cast<uint64_t>(rate * kValues), std::memory_order_relaxed);
  }

 private:
  static constexpr int kValueBits = 48;
  static constexpr double kValues = uint64_t{1} << kValueBits;

  static uint64_t ValueOf(uint64_t hash) {
    return ((hash ^ hash >> 32) * 0x9E3779B97F4A7C15u) >> (64 - kValueBits);
  }

  std::atomic<uint64_t> threshold_{uint64_t{1} << kValueBits};  // values below it are sampled
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_SPATIAL_SAMPLER_H_
