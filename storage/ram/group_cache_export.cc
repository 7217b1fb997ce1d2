// What a cache holds, for whoever keeps it beyond the cache's life, and its way back in.
#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <utility>

#include "storage/ram/group_cache.h"

namespace engram::storage {
namespace {

// Slots looked at before others get the lock.
constexpr SlotId kSlotsPerLock = 16384;

// Classes of worth: eight for each doubling.
constexpr unsigned kWorthShift = 20;
constexpr size_t kWorthClasses = size_t{1} << (31 - kWorthShift);

// 0: an empty slot; otherwise 1 and more, higher for what is worth more.
uint16_t WorthClass(float worth) {
  const uint32_t bits = std::bit_cast<uint32_t>(std::max(worth, 0.0F)) >> kWorthShift;
  return static_cast<uint16_t>(std::min<size_t>(bits + 1, kWorthClasses));
}

}  // namespace

RestoreCounts GroupCache::Restore(absl::Span<const RowId> row_ids, const std::byte* rows,
                                  absl::Span<const GroupPast> pasts, bool may_evict) {
  if (geometry_.max_slots == 0 || pasts.empty()) return {.refused = pasts.size()};
  std::vector<uint32_t> groups(pasts.size());
  std::iota(groups.begin(), groups.end(), 0);
  Join();
  RestoreCounts counts;
  Outcome outcome;
  {
    absl::MutexLock lock(&mutex_);
    const uint64_t before = admissions_.load(std::memory_order_relaxed);
    outcome = AdmitLocked({row_ids.data(), rows, pasts.data(), may_evict}, groups);
    counts.admitted = admissions_.load(std::memory_order_relaxed) - before;
  }
  counts.held = outcome.held;
  counts.refused = pasts.size() - counts.admitted - counts.held;
  if (may_evict && outcome.lacking_bytes > 0) shares_->Ask(this, outcome.lacking_bytes);
  return counts;
}

// Sorts by counting, which takes six bytes a slot for a moment; worths change while it goes on.
std::vector<SlotId> GroupCache::SlotsByWorth() {
  if (!ready_.load(std::memory_order_acquire)) return {};
  std::vector<uint16_t> classes;
  for (bool more = true; more;) {
    absl::MutexLock lock(&mutex_);
    const SlotId end = pool_.end();
    SlotId slot = static_cast<SlotId>(classes.size());
    const SlotId stop = std::min(end, slot + kSlotsPerLock);
    for (; slot < stop; ++slot) {
      const bool occupied = policy_->PastOf(slot).uses > 0;
      classes.push_back(occupied ? WorthClass(policy_->WorthOf(slot)) : uint16_t{0});
    }
    more = slot < end;
  }
  std::array<SlotId, kWorthClasses + 1> place{};  // where the next slot of a class goes
  for (const uint16_t worth : classes) ++place[worth];
  SlotId held = 0;
  for (size_t worth = kWorthClasses; worth > 0; --worth) {
    held += std::exchange(place[worth], held);
  }
  std::vector<SlotId> slots(held);
  for (SlotId slot = 0; slot < classes.size(); ++slot) {
    if (classes[slot] > 0) slots[place[classes[slot]]++] = slot;
  }
  return slots;
}

void GroupCache::Export(absl::Span<const SlotId> slots, KnownGroups* out) {
  absl::MutexLock lock(&mutex_);
  for (const SlotId slot : slots) {
    if (slot < pool_.end()) __builtin_prefetch(pool_.Slot(slot));
  }
  for (const SlotId slot : slots) {
    const GroupPast past = slot < pool_.end() ? policy_->PastOf(slot) : GroupPast();
    if (past.uses == 0) continue;
    const auto* const ids = reinterpret_cast<const RowId*>(pool_.Slot(slot));
    out->row_ids.insert(out->row_ids.end(), ids, ids + group_size_);
    out->pasts.push_back(past);
  }
}

std::vector<float> GroupCache::Knowledge() {
  absl::MutexLock lock(&mutex_);
  return policy_->Knowledge();
}

bool GroupCache::Teach(absl::Span<const float> knowledge) {
  absl::MutexLock lock(&mutex_);
  return policy_->Teach(knowledge);
}

}  // namespace engram::storage
