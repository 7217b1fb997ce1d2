// Known ways to choose what a cache keeps, to compare the store's with: exact, and without memory
// limits of their own.
#ifndef ENGRAM_TESTS_BENCH_CACHE_MODELS_H_
#define ENGRAM_TESTS_BENCH_CACHE_MODELS_H_

#include <cstdint>
#include <memory>

namespace engram::bench {

// A cache of groups without their rows. Groups go by numbers.
class CacheModel {
 public:
  virtual ~CacheModel() = default;

  // A group is used: returns whether it was held, and holds it from now on or does not.
  virtual bool Use(uint32_t group) = 0;
};

// Fewer slots leave a model's smallest part none.
inline constexpr uint32_t kMinModelSlots = 10;

// For all of these:
//   groups  their numbers are below this; at most 2^32 - 16
//   slots   groups held at a time, at least kMinModelSlots

// Evicts the group that was used longest ago.
std::unique_ptr<CacheModel> NewLru(uint32_t groups, uint32_t slots);

// S3-FIFO (Yang et al., SOSP 2023): new groups stand in a small queue, a tenth of the slots. At its
// end those that were used twice there go on to the main queue, where they stay as long as they are
// used, by counts up to 3; the others are evicted, but go straight to the main queue if they come
// back while as many as it has slots are remembered.
std::unique_ptr<CacheModel> NewS3Fifo(uint32_t groups, uint32_t slots);

// W-TinyLFU (Einziger, Friedman and Manes, TOS 2017): a window of the 1 % used last, and a
// segmented LRU, of which 80 % are protected. A group that leaves the window takes the place of the
// one that was used longest ago only if it was used more often, by exact counts up to 15 that are
// halved every 10 x slots uses.
std::unique_ptr<CacheModel> NewWTinyLfu(uint32_t groups, uint32_t slots);

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_CACHE_MODELS_H_
