// numpy's default generator, as far as Engram models draw their hash multipliers from it:
// numpy.random.default_rng(seed).integers(0, bound, dtype=int64), bit for bit.
#ifndef ENGRAM_CLIENT_HASH_NUMPY_RNG_H_
#define ENGRAM_CLIENT_HASH_NUMPY_RNG_H_

#include <cstdint>

namespace engram {

// SeedSequence -> PCG64 (XSL-RR 128/64). A value type; one thread at a time.
class NumpyRng {
 public:
  // Below(bound) needs a bound above this: numpy draws smaller ones from 32-bit halves.
  static constexpr uint64_t kMinBound = uint64_t{1} << 32;

  explicit NumpyRng(uint64_t seed);

  // The next 64 random bits: numpy's bit_generator.random_raw().
  uint64_t Next();

  // The next draw from 0 .. bound-1, by Lemire's method. REQUIRES: bound > kMinBound.
  uint64_t Below(uint64_t bound);

 private:
  unsigned __int128 state_;
  unsigned __int128 increment_;
};

}  // namespace engram

#endif  // ENGRAM_CLIENT_HASH_NUMPY_RNG_H_
