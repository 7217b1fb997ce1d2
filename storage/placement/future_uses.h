// How often a group will be used again, learned from how often others were.
#ifndef ENGRAM_STORAGE_PLACEMENT_FUTURE_USES_H_
#define ENGRAM_STORAGE_PLACEMENT_FUTURE_USES_H_

#include <array>
#include <cstdint>
#include <vector>

namespace engram::storage {

// Of the groups of an n-gram order that were used k times, some are used once more. From these
// shares follows how many uses are to be expected of a group that had k: with p(k) the share,
// e(k) = p(k) x (1 + e(k + 1)). Where recency is no guide, in a tier that holds groups for long,
// this is what a group is worth. One thread at a time.
class FutureUses {
 public:
  // orders: of n-grams, at least 1
  explicit FutureUses(uint32_t orders);

  // A group of this order, known to have had `before` uses (0: it is new), now has `after`, more.
  void Add(uint32_t order, uint8_t before, uint8_t after);

  // Takes what was added into account, and lets it fade.
  void Refresh();

  // What is to be expected, as a level from 1 to kLevels. 1 <= uses.
  uint8_t LevelOf(uint32_t order, uint8_t uses) const {
    return levels_[order < levels_.size() ? order : levels_.size() - 1][uses];
  }
  static constexpr uint8_t kLevels = 80;
  static constexpr uint8_t kLevelsPerDoubling = 4;
  // The uses that a level stands for, and the level nearest to so many.
  static double UsesAt(uint8_t level);
  static uint8_t LevelAt(double uses);

  // Not above the level of any group.
  uint8_t lowest_level() const { return lowest_level_; }

 private:
  // Beyond these, a group is taken to be used as often again as it was.
  static constexpr uint32_t kCounted = 9;

  std::vector<std::array<float, kCounted + 1>> reached_;  // groups that reached [order][uses]
  std::vector<std::array<uint8_t, 256>> levels_;
  uint8_t lowest_level_ = 1;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_FUTURE_USES_H_
