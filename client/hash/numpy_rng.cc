#include "client/hash/numpy_rng.h"

#include <array>
#include <bit>
#include <cassert>
#include <cstddef>

namespace engram {
namespace {

using uint128 = unsigned __int128;

constexpr uint128 Join(uint64_t high, uint64_t low) { return uint128{high} << 64 | low; }

// numpy.random.SeedSequence(seed).generate_state(4, uint64).
class SeedSequence {
 public:
  explicit SeedSequence(uint64_t seed) {
    const std::array<uint32_t, kWords> entropy = {static_cast<uint32_t>(seed),
                                                  static_cast<uint32_t>(seed >> 32)};
    for (size_t i = 0; i < kWords; ++i) {
      pool_[i] = Hash(entropy[i]);
    }
    for (size_t source = 0; source < kWords; ++source) {
      for (size_t target = 0; target < kWords; ++target) {
        if (source != target) {
          pool_[target] = Mix(pool_[target], Hash(pool_[source]));
        }
      }
    }
  }

  std::array<uint64_t, 4> GenerateState() const {
    uint32_t constant = 0x8b51f9dd;
    std::array<uint64_t, 4> state{};
    for (size_t i = 0; i < 2 * state.size(); ++i) {
      uint32_t word = pool_[i % kWords] ^ constant;
      constant *= 0x58f38ded;
      word *= constant;
      word ^= word >> 16;
      state[i / 2] |= uint64_t{word} << (32 * (i % 2));
    }
    return state;
  }

 private:
  static constexpr size_t kWords = 4;

  uint32_t Hash(uint32_t word) {
    word ^= constant_;
    constant_ *= 0x931e8875;
    word *= constant_;
    return word ^ word >> 16;
  }

  static uint32_t Mix(uint32_t a, uint32_t b) {
    const uint32_t mixed = 0xca01f9dd * a - 0x4973f715 * b;
    return mixed ^ mixed >> 16;
  }

  uint32_t constant_ = 0x43b0d7e5;
  std::array<uint32_t, kWords> pool_{};
};

}  // namespace

NumpyRng::NumpyRng(uint64_t seed) {
  const std::array<uint64_t, 4> words = SeedSequence(seed).GenerateState();
  increment_ = Join(words[2], words[3]) << 1 | 1;
  state_ = increment_ + Join(words[0], words[1]);
  Next();
}

uint64_t NumpyRng::Next() {
  constexpr uint128 kMultiplier = Join(0x2360ed051fc65da4, 0x4385df649fccf645);
  state_ = state_ * kMultiplier + increment_;
  const uint64_t folded = static_cast<uint64_t>(state_ >> 64) ^ static_cast<uint64_t>(state_);
  return std::rotr(folded, static_cast<int>(state_ >> 122));
}

uint64_t NumpyRng::Below(uint64_t bound) {
  assert(bound > kMinBound);
  // Products whose low half lies under 2^64 mod bound would make some results more likely.
  const uint64_t threshold = -bound % bound;
  uint128 product = 0;
  do {
    product = uint128{Next()} * bound;
  } while (static_cast<uint64_t>(product) < threshold);
  return static_cast<uint64_t>(product >> 64);
}

}  // namespace engram
