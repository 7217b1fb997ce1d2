// The most used groups of a stream, in bounded memory.
#ifndef ENGRAM_STORAGE_PLACEMENT_POPULAR_GROUPS_H_
#define ENGRAM_STORAGE_PLACEMENT_POPULAR_GROUPS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "storage/placement/slot_index.h"

namespace engram::storage {

struct PopularGroup {
  uint64_t hash = 0;
  uint32_t count = 0;   // it was used at most so often, and
  uint32_t error = 0;   // at least count - error times; after ageing, each give or take one
  double estimate = 0;  // best guess, between the two

  friend bool operator==(const PopularGroup&, const PopularGroup&) = default;
};

// Uses of a stretch of the stream.
struct PopularUses {
  double total = 0;       // of all groups
  double dispersion = 1;  // of uses at random, variance of a count / its mean; ageing lowers it
  uint32_t unlisted = 0;  // no group that is not listed was used more often
  std::vector<PopularGroup> groups;  // by estimate, most used first
};

// Filtered Space-Saving (Homem, Carvalho: "Finding top-k elements in data streams", 2010). Each of
// `capacity` groups has its own count; the others share those of a filter, four to a group, chosen
// by hash. A group that has brought its share of the filter above the lowest count takes that
// one's place, and what the filter counted before is its error. Hence any group that was used more
// often than uses / capacity is there; on streams with a tail, the filter makes that less.
//
// How often a group was used before it got its place is guessed from how often it was used since.
// From twice `unlisted` and a dozen uses on, that makes estimates right to 1 % on average; of lower
// ones, groups that had luck are listed and others are not.
//
// Takes BytesFor(capacity), 52 bytes a group. Add takes constant time on average; a single one may
// look at all counts. Not thread-safe. Hashes must be well mixed in all 64 bits.
class PopularGroups {
 public:
  static uint64_t BytesFor(uint32_t capacity);

  explicit PopularGroups(uint32_t capacity);  // 1 to SlotIndex::kMaxSlots / 2

  // Counts a use. Halves first if the group's count has no room.
  void Add(uint64_t hash);

  // Ages: halves all counts, and starts a new window.
  void Halve();

  // Up to `limit` most used groups: with all uses as aged, or with those since the last halving
  // only. Takes time for sorting all groups.
  PopularUses Top(size_t limit) const;
  PopularUses Window(size_t limit) const;

  double total() const { return static_cast<double>(total_); }  // uses, aged
  uint64_t window_total() const { return total_ - window_start_; }

 private:
  static constexpr uint32_t kCellsPerGroup = 4;

  uint32_t TakeSlot(uint32_t filtered);
  size_t CellOf(uint64_t hash) const {
    return static_cast<size_t>(((hash & 0xFFFFFFFFu) * filter_.size()) >> 32);
  }
  PopularUses List(size_t limit, bool window) const;

  const uint32_t capacity_;
  SlotIndex index_;
  uint32_t size_ = 0;  // slots used, from the first
  std::vector<uint32_t> counts_;
  std::vector<uint32_t> errors_;
  std::vector<uint32_t> window_counts_;  // uses since the last halving, seen in the slot
  std::vector<uint64_t> starts_;         // total_ when the group got its slot, aged
  std::vector<uint32_t> filter_;         // none is above lowest_

  // Once all slots are used no count is below lowest_, and none before the hand equals it.
  uint32_t lowest_ = 0;
  uint32_t hand_ = 0;

  uint64_t total_ = 0;         // uses, aged
  uint64_t window_start_ = 0;  // total_ at the last halving
  double old_squares_ = 0;     // sum of the squared weights of uses before it
  unsigned halvings_ = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_POPULAR_GROUPS_H_
