#include "tests/bench/belady.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <functional>
#include <limits>
#include <numeric>
#include <vector>

namespace engram::bench {
namespace {

constexpr uint32_t kNever = std::numeric_limits<uint32_t>::max();

// A set of numbers below `end`: a bit for each, and a bit for each word of bits, and so on.
class NumberSet {
 public:
  explicit NumberSet(size_t end) {
    do {
      end = (end + kWordBits - 1) / kWordBits;
      levels_.emplace_back(end);
    } while (end > 1);
  }

  bool Contains(uint32_t number) const {
    return (levels_[0][number / kWordBits] >> (number % kWordBits) & 1) != 0;
  }

  void Insert(uint32_t number) {
    for (std::vector<uint64_t>& level : levels_) {
      level[number / kWordBits] |= uint64_t{1} << (number % kWordBits);
      number /= kWordBits;
    }
  }

  void Erase(uint32_t number) {
    for (std::vector<uint64_t>& level : levels_) {
      uint64_t& word = level[number / kWordBits];
      word &= ~(uint64_t{1} << (number % kWordBits));
      if (word != 0) return;
      number /= kWordBits;
    }
  }

  // The greatest; the set is not empty.
  uint32_t Max() const {
    uint32_t number = 0;
    for (auto level = levels_.rbegin(); level != levels_.rend(); ++level) {
      number = number * kWordBits + static_cast<uint32_t>(std::bit_width((*level)[number])) - 1;
    }
    return number;
  }

 private:
  static constexpr uint32_t kWordBits = 64;
  std::vector<std::vector<uint64_t>> levels_;
};

// The groups held, each by when it is used next: no two are used at once.
class HeldUses {
 public:
  HeldUses(size_t end, uint32_t slots) : slots_(slots), uses_(end) {}

  // Whether the group used at this time is held; if so, it leaves.
  bool Take(uint32_t use) {
    if (!uses_.Contains(use)) return false;
    uses_.Erase(use);
    --size_;
    return true;
  }

  // Holds a group, unless all those held are used sooner.
  void Offer(uint32_t next_use) {
    if (next_use == kNever) return;
    uses_.Insert(next_use);
    if (size_ < slots_) {
      ++size_;
    } else {
      uses_.Erase(uses_.Max());
    }
  }

 private:
  const uint32_t slots_;
  uint32_t size_ = 0;
  NumberSet uses_;
};

}  // namespace

uint64_t BeladyHits(absl::Span<const uint32_t> accesses, uint32_t groups, uint32_t slots,
                    absl::Span<const uint32_t> known) {
  std::vector<uint32_t> next_of_group(groups, kNever);
  std::vector<uint32_t> next(accesses.size());
  for (size_t i = accesses.size(); i-- > 0;) {
    next[i] = next_of_group[accesses[i]];
    next_of_group[accesses[i]] = static_cast<uint32_t>(i);
  }
  HeldUses held(accesses.size(), slots);
  for (const uint32_t group : known) {
    held.Offer(next_of_group[group]);
    next_of_group[group] = kNever;  // `known` may name it again
  }
  uint64_t hits = 0;
  for (size_t i = 0; i < accesses.size(); ++i) {
    hits += held.Take(static_cast<uint32_t>(i)) ? 1 : 0;
    held.Offer(next[i]);
  }
  return hits;
}

uint64_t StaticHits(absl::Span<const uint32_t> accesses, uint32_t groups, uint32_t slots) {
  std::vector<uint32_t> uses(groups);
  for (const uint32_t group : accesses) ++uses[group];
  const auto held_end = uses.begin() + std::min(slots, groups);
  std::nth_element(uses.begin(), held_end, uses.end(), std::greater<>());
  return std::accumulate(uses.begin(), held_end, uint64_t{0});
}

}  // namespace engram::bench
