// What a cache holds, for whoever keeps it beyond the cache's life, and its way back in.
#include <algorithm>
#include <array>
#include <bit>
#include <functional>
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
constexpr uint16_t kPinnedClass = kWorthClasses;

// 0: an empty slot; otherwise 1 and more, higher for what is worth more.
uint16_t WorthClass(float worth) {
  const uint32_t bits = std::bit_cast<uint32_t>(std::max(worth, 0.0F)) >> kWorthShift;
  return static_cast<uint16_t>(std::min<size_t>(bits + 1, kPinnedClass - 1));
}

}  // namespace

RestoreCounts GroupCache::Restore(absl::Span<const RowId> row_ids, const std::byte* rows,
                                  absl::Span<const GroupPast> pasts, RestoreRoom room) {
  if (geometry_.max_slots == 0 || pasts.empty()) return {.refused = pasts.size()};
  std::vector<uint32_t> all(pasts.size());
  std::iota(all.begin(), all.end(), 0);
  absl::Span<const uint32_t> groups = all;
  Join();
  const bool pins = std::any_of(pasts.begin(), pasts.end(), std::mem_fn(&GroupPast::pinned));
  const Offer offer = {.row_ids = row_ids.data(),
                       .rows = rows,
                       .pasts = pasts.data(),
                       .may_evict = room == RestoreRoom::kWorth,
                       .within_fair_share = room != RestoreRoom::kNone,
                       .pin_limit = pins ? pin_limit() : 0};
  RestoreCounts counts;
  bool asked = false;
  while (true) {
    Outcome outcome;
    {
      absl::MutexLock lock(&mutex_);
      const uint64_t before = admissions_.load(std::memory_order_relaxed);
      outcome = AdmitLocked(offer, groups);
      counts.admitted += admissions_.load(std::memory_order_relaxed) - before;
    }
    counts.held += outcome.held;
    groups.remove_prefix(outcome.done);
    const bool in_vain = asked && outcome.done == 0;
    if (room == RestoreRoom::kNone || outcome.lacking_bytes == 0 || in_vain) break;
    shares_->Ask(this, outcome.lacking_bytes);
    asked = true;
    if (groups.empty()) break;
  }
  if (room != RestoreRoom::kNone) counts.held += Refuse(offer, groups);
  counts.refused = pasts.size() - counts.admitted - counts.held;
  return counts;
}

size_t GroupCache::Refuse(const Offer& offer, absl::Span<const uint32_t> groups) {
  absl::MutexLock lock(&mutex_);
  if (!ready_.load(std::memory_order_relaxed)) return 0;
  size_t held = 0;
  for (const uint32_t group : groups) {
    const GroupKey key = KeyOf(IdsOf(offer, group));
    if (FindHeld(offer, group, key)) {
      ++held;
      continue;
    }
    policy_->Remember(key, offer.pasts[group]);
    if (lower_ != nullptr) {
      lower_->OnLeave(key, offer.pasts[group].uses, IdsOf(offer, group), RowsOf(offer, group));
    }
  }
  return held;
}

// Sorts by counting, which takes six bytes a slot for a moment; worths change while it goes on.
std::vector<SlotId> GroupCache::SlotsByWorth() {
  if (!ready_.load(std::memory_order_acquire)) return {};
  std::vector<uint16_t> classes;
  for (bool more = true; more;) {
    absl::MutexLock lock(&mutex_);
    const SlotId end = EndOfGroups();
    SlotId slot = static_cast<SlotId>(classes.size());
    const SlotId stop = std::min(end, slot + kSlotsPerLock);
    for (; slot < stop; ++slot) {
      const GroupPast past = policy_->PastOf(slot);
      if (past.uses == 0) {
        classes.push_back(0);
      } else {
        classes.push_back(past.pinned ? kPinnedClass : WorthClass(policy_->WorthOf(slot)));
      }
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
  ExportSlots(slots, out, nullptr);
}

void GroupCache::ExportWithRows(absl::Span<const SlotId> slots, KnownGroups* out,
                                std::vector<std::byte>* rows) {
  rows->reserve(rows->size() + slots.size() * group_bytes_);  // not under the lock
  ExportSlots(slots, out, rows);
}

void GroupCache::ExportSlots(absl::Span<const SlotId> slots, KnownGroups* out,
                             std::vector<std::byte>* rows) {
  absl::MutexLock lock(&mutex_);
  const SlotId end = EndOfGroups();
  for (const SlotId slot : slots) {
    if (slot < end) __builtin_prefetch(pool_.Slot(slot));
  }
  for (const SlotId slot : slots) {
    const GroupPast past = slot < end ? policy_->PastOf(slot) : GroupPast();
    if (past.uses == 0) continue;
    const std::byte* const memory = pool_.Slot(slot);
    const auto* const ids = reinterpret_cast<const RowId*>(memory);
    out->row_ids.insert(out->row_ids.end(), ids, ids + group_size_);
    out->pasts.push_back(past);
    if (rows == nullptr) continue;
    rows->insert(rows->end(), memory + id_bytes_, memory + id_bytes_ + group_bytes_);
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
