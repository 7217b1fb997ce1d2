// Groups that stay in a cache whatever its traffic, and how it gives back memory around them.
#include <algorithm>
#include <cassert>
#include <cstring>
#include <limits>

#include "storage/ram/group_cache.h"

namespace engram::storage {
namespace {

constexpr uint64_t kPinnedPart = 2;  // one in so many slots of a fair share may be pinned
// What is looked at before others get the lock.
constexpr size_t kGroupsPerLock = 4096;
constexpr SlotId kSlotsPerLock = 65536;

}  // namespace

uint64_t GroupCache::pin_limit() {
  if (geometry_.max_slots == 0) return 0;
  Join();
  const auto state = shares_->StateOf(*this);
  const uint64_t bytes = state.has_value() ? state->fair_bytes : 0;
  const uint64_t slots = (bytes - std::min(bytes, geometry_.metadata_bytes)) / geometry_.slot_bytes;
  return std::min<uint64_t>(slots, geometry_.max_slots) / kPinnedPart;
}

GroupPast GroupCache::PastIn(const Offer& offer, uint32_t group) const {
  GroupPast past = offer.pasts[group];
  // Slots that are free are those that pinned groups are to move to.
  past.pinned = past.pinned && moving_.empty() && policy_->pinned() < offer.pin_limit;
  return past;
}

void GroupCache::SetPinned(SlotId slot, bool pinned) {
  if (policy_->IsPinned(slot) == pinned) return;
  policy_->SetPinned(slot, pinned);
  pin_changes_.fetch_add(1, std::memory_order_relaxed);
}

std::vector<uint32_t> GroupCache::NotPinned(absl::Span<const RowId> row_ids) {
  return GroupsNotIn(row_ids, [this](SlotId slot) { return policy_->IsPinned(slot); });
}

std::vector<uint32_t> GroupCache::NotHeld(absl::Span<const RowId> row_ids) {
  return GroupsNotIn(row_ids, [](SlotId) { return true; });
}

std::vector<uint32_t> GroupCache::GroupsNotIn(absl::Span<const RowId> row_ids,
                                              absl::FunctionRef<bool(SlotId slot)> wanted) {
  std::vector<uint32_t> missing;
  const auto groups = static_cast<uint32_t>(row_ids.size() / group_size_);
  for (uint32_t group = 0; group < groups;) {
    const auto stop = static_cast<uint32_t>(std::min<size_t>(groups, group + kGroupsPerLock));
    absl::MutexLock lock(&mutex_);
    const bool ready = ready_.load(std::memory_order_relaxed);
    for (; group < stop; ++group) {
      const RowId* const ids = &row_ids[size_t{group} * group_size_];
      const auto slot = ready ? Find(ids, KeyOf(ids)) : std::nullopt;
      if (!slot.has_value() || !wanted(*slot)) missing.push_back(group);
    }
  }
  return missing;
}

size_t GroupCache::Unpin(absl::Span<const RowId> row_ids) {
  if (!ready_.load(std::memory_order_acquire)) return 0;
  size_t unpinned = 0;
  const size_t groups = row_ids.size() / group_size_;
  for (size_t group = 0; group < groups;) {
    const size_t stop = std::min(groups, group + kGroupsPerLock);
    absl::MutexLock lock(&mutex_);
    for (; group < stop; ++group) {
      const RowId* const ids = &row_ids[group * group_size_];
      const auto slot = Find(ids, KeyOf(ids));
      if (!slot.has_value() || !policy_->IsPinned(*slot)) continue;
      SetPinned(*slot, false);
      ++unpinned;
    }
  }
  return unpinned;
}

size_t GroupCache::UnpinAll() {
  size_t unpinned = 0;
  while (policy_->pinned() > 0) {  // again for what moved meanwhile to slots that were passed
    for (SlotId slot = 0, end = 1; slot < end;) {
      absl::MutexLock lock(&mutex_);
      end = EndOfGroups();
      const SlotId stop = std::min<SlotId>(end, slot + kSlotsPerLock);
      for (; slot < stop; ++slot) {
        if (!policy_->IsPinned(slot)) continue;
        SetPinned(slot, false);
        ++unpinned;
      }
    }
  }
  return unpinned;
}

void GroupCache::GiveBack(uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  Reclaim();
  if (!pool_.shrinking()) BeginShrink(std::min(bytes, SpareBytes()));
  UpdateHeld();
}

uint64_t GroupCache::SpareBytes() const {
  const uint64_t pinned = policy_->pinned();
  if (pinned == 0) return std::numeric_limits<uint64_t>::max();
  const uint64_t step = geometry_.step_bytes;
  const uint64_t kept = (pinned * geometry_.slot_bytes + step - 1) / step * step;
  return (pool_.bytes() - std::min(pool_.bytes(), kept)) / step * step;
}

void GroupCache::BeginShrink(uint64_t bytes) {
  if (bytes == 0) return;
  const SlotId end = pool_.end();
  for (SlotId slot = pool_.BeginShrink(bytes); slot < end; ++slot) {
    if (policy_->IsPinned(slot)) {
      moving_.push_back(slot);
    } else {
      Evict(slot);
    }
  }
  if (!moving_.empty()) pool_.PostponeShrink();
  Reclaim();
}

void GroupCache::Reclaim() {
  do {
    pool_.Reclaim();
  } while (MovePinned());
}

bool GroupCache::MovePinned() {
  if (moving_.empty()) return false;
  const size_t before = moving_.size();
  while (!moving_.empty()) {
    const SlotId from = moving_.back();
    if (policy_->IsPinned(from)) {
      const std::optional<SlotId> to = pool_.Take();
      if (!to.has_value()) break;
      Move(from, *to);
    } else {  // it was unpinned
      Evict(from);
    }
    moving_.pop_back();
  }
  if (moving_.empty()) {
    pool_.ResumeShrink();
    return true;
  }
  const uint64_t evicted = evictions_.load(std::memory_order_relaxed);
  const size_t needed = std::min(moving_.size(), pool_.retired_limit());
  while (pool_.retired() < needed && groups_.load(std::memory_order_relaxed) > policy_->pinned()) {
    const auto victim = policy_->PickVictimFor({}, {.uses = 1, .pinned = true});
    if (!victim.has_value() || !Evict(*victim)) break;
  }
  return moving_.size() < before || evictions_.load(std::memory_order_relaxed) > evicted;
}

void GroupCache::Move(SlotId from, SlotId to) {
  std::memcpy(pool_.Slot(to), pool_.Slot(from), id_bytes_ + group_bytes_);
  const uint64_t hash = HashOf(reinterpret_cast<const RowId*>(pool_.Slot(to)));
  policy_->OnMove(from, to);
  // Whoever looks for it finds it all the time, unless its place in the index is needed.
  const bool entered = index_.Insert(hash, to);
  index_.Remove(hash, from);
  if (!entered) index_.Insert(hash, to);
  pin_changes_.fetch_add(1, std::memory_order_relaxed);  // whoever exports may have missed it
}

}  // namespace engram::storage
