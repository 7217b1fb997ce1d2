#include "storage/placement/popular_groups.h"

#include <algorithm>
#include <cassert>
#include <limits>

namespace engram::storage {
namespace {

// The uses of a group in `total`, of which `seen` fell into the last `seen_total`. The first of
// those is left out, for it is what made the group seen.
double EstimateUses(uint32_t seen, uint32_t error, double seen_total, double total) {
  const double least = seen;
  if (error == 0 || seen_total <= 0) return least;
  return std::clamp((least - 1) * total / seen_total, least, least + error);
}

bool MoreUsed(const PopularGroup& a, const PopularGroup& b) {
  return a.estimate != b.estimate ? a.estimate > b.estimate : a.hash < b.hash;
}

}  // namespace

uint64_t PopularGroups::BytesFor(uint32_t capacity) {
  constexpr uint64_t kSlotBytes = 3 * sizeof(uint32_t) + sizeof(uint64_t);
  return capacity * (SlotIndex::kBytesPerSlot + kSlotBytes + kCellsPerGroup * sizeof(uint32_t));
}

PopularGroups::PopularGroups(uint32_t capacity)
    : capacity_(capacity),
      index_(capacity),
      counts_(capacity),
      errors_(capacity),
      window_counts_(capacity),
      starts_(capacity),
      filter_(size_t{capacity} * kCellsPerGroup) {
  assert(capacity <= SlotIndex::kMaxSlots / 2);
}

void PopularGroups::Add(uint64_t hash) {
  uint32_t slot = index_.Find(hash);
  if (slot != SlotIndex::kNone) {
    if (counts_[slot] == std::numeric_limits<uint32_t>::max()) Halve();
    ++total_;
    ++counts_[slot];
    ++window_counts_[slot];
    return;
  }
  uint32_t& cell = filter_[CellOf(hash)];
  slot = TakeSlot(cell);
  if (slot == SlotIndex::kNone) {
    ++total_;
    ++cell;
    return;
  }
  index_.Insert(hash, slot);
  counts_[slot] = cell + 1;
  errors_[slot] = cell;
  window_counts_[slot] = 1;
  starts_[slot] = total_++;
}

// Returns an empty slot for a group that the filter has counted so often; kNone if there is none.
// The hand goes round once for each value of lowest_, which is at most total_ / capacity_.
uint32_t PopularGroups::TakeSlot(uint32_t filtered) {
  if (size_ < capacity_) return size_++;
  while (filtered >= lowest_) {
    while (hand_ < capacity_ && counts_[hand_] > lowest_) ++hand_;
    if (hand_ < capacity_) {
      const uint32_t slot = hand_++;
      filter_[CellOf(index_.hash(slot))] = counts_[slot];
      index_.Remove(slot);
      return slot;
    }
    hand_ = 0;
    ++lowest_;
  }
  return SlotIndex::kNone;
}

void PopularGroups::Halve() {
  for (uint32_t slot = 0; slot < size_; ++slot) {
    // Half of the groups are rounded up, others each time, lest small counts shrink on average.
    const auto up = static_cast<uint32_t>(index_.hash(slot) >> (halvings_ % 64) & 1);
    counts_[slot] = (counts_[slot] >> 1) + (counts_[slot] & up);
    errors_[slot] >>= 1;
    window_counts_[slot] = 0;
    starts_[slot] >>= 1;
  }
  for (uint32_t& cell : filter_) cell >>= 1;
  lowest_ >>= 1;
  hand_ = 0;
  old_squares_ = (old_squares_ + static_cast<double>(window_total())) / 4;
  total_ >>= 1;
  window_start_ = total_;
  ++halvings_;
}

PopularUses PopularGroups::Top(size_t limit) const { return List(limit, false); }

PopularUses PopularGroups::Window(size_t limit) const { return List(limit, true); }

PopularUses PopularGroups::List(size_t limit, bool window) const {
  const uint64_t from = window ? window_start_ : 0;
  PopularUses uses;
  uses.total = static_cast<double>(total_ - from);
  if (!window && total_ > 0) {
    uses.dispersion = (old_squares_ + static_cast<double>(window_total())) / uses.total;
  }
  uses.unlisted = size_ < capacity_ ? 0 : lowest_;
  uses.groups.reserve(size_);
  for (uint32_t slot = 0; slot < size_; ++slot) {
    const bool came_later = starts_[slot] >= from;
    const uint32_t error = came_later ? errors_[slot] : 0;
    const uint32_t seen = window ? window_counts_[slot] : counts_[slot] - error;
    const double seen_total = static_cast<double>(total_ - std::max(starts_[slot], from));
    uses.groups.push_back({.hash = index_.hash(slot),
                           .count = seen + error,
                           .error = error,
                           .estimate = EstimateUses(seen, error, seen_total, uses.total)});
  }
  if (limit < uses.groups.size()) {
    const auto end = uses.groups.begin() + static_cast<std::ptrdiff_t>(limit);
    std::nth_element(uses.groups.begin(), end, uses.groups.end(), MoreUsed);
    uint32_t most = uses.unlisted;
    for (auto group = end; group != uses.groups.end(); ++group) most = std::max(most, group->count);
    uses.unlisted = most;
    uses.groups.erase(end, uses.groups.end());
  }
  std::sort(uses.groups.begin(), uses.groups.end(), MoreUsed);
  return uses;
}

}  // namespace engram::storage
