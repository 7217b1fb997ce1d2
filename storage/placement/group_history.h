// What is known of a group's past.
#ifndef ENGRAM_STORAGE_PLACEMENT_GROUP_HISTORY_H_
#define ENGRAM_STORAGE_PLACEMENT_GROUP_HISTORY_H_

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>

namespace engram::storage {

// The clock of a table: one tick for so many uses of its groups.
inline constexpr uint32_t kUsesPerTick = 16;

// A group's past as it may be told to another policy, of this process or the next.
struct GroupPast {
  uint32_t age = 0;     // ticks since the last use
  uint8_t uses = 0;     // up to 255; 0: nothing is known
  uint8_t gap = 0;      // as GroupHistory::gap
  bool pinned = false;  // whether it stays in RAM whatever it is worth

  friend bool operator==(const GroupPast&, const GroupPast&) = default;
};

// Eight bytes, kept with a group's slot, and for some time after its eviction. Time is told by the
// uses of all groups of a table, in ticks of some uses.
struct GroupHistory {
  uint32_t last_use = 0;     // tick; wraps
  uint8_t uses = 0;          // up to 255; 0: nothing is known
  uint8_t gap = 0;           // bits of half the ticks between the last two uses
  uint8_t order = 0;         // index of the n-gram order
  bool sampled : 1 = false;  // whether its returns are recorded while it is held
  bool pinned : 1 = false;   // whether it stays
  uint8_t unused : 6 = 0;

  // Of a group that is not held: pinned is left false.
  static GroupHistory Of(const GroupPast& past, uint32_t order, uint32_t now) {
    return {.last_use = now - past.age,
            .uses = past.uses,
            .gap = past.gap,
            .order = static_cast<uint8_t>(order)};
  }
  GroupPast Past(uint32_t now) const {
    return {.age = Age(now), .uses = uses, .gap = gap, .pinned = pinned};
  }

  uint32_t Age(uint32_t now) const { return now - last_use; }

  static uint8_t GapOf(uint32_t ticks) { return static_cast<uint8_t>(std::bit_width(ticks / 2)); }

  void AddUse(uint32_t now) {
    if (uses > 0) gap = GapOf(Age(now));
    uses = static_cast<uint8_t>(std::min(uses + 1, int{std::numeric_limits<uint8_t>::max()}));
    last_use = now;
  }
};
static_assert(sizeof(GroupHistory) == 8);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_GROUP_HISTORY_H_
