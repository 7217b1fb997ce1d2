#include "storage/ram/slot_pool.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace engram::storage {
namespace {

constexpr SlotId kNoSlot = ~SlotId{0};

// Bounds both the memory that waits for readers and the bookkeeping of it.
constexpr size_t kMaxRetired = 4096;
constexpr size_t kMaxRetiredFraction = 8;

uint64_t RoundUp(uint64_t bytes, uint64_t unit) { return (bytes + unit - 1) / unit * unit; }

}  // namespace

SlotPool::SlotPool(std::shared_ptr<ByteBudget> budget, uint64_t slot_bytes, uint64_t max_slots,
                   uint64_t step_bytes)
    : slot_bytes_(slot_bytes),
      max_slots_(max_slots),
      step_bytes_(step_bytes),
      region_(std::move(budget), max_slots * slot_bytes),
      first_free_(kNoSlot) {
  assert(slot_bytes % sizeof(SlotId) == 0 && slot_bytes > 0 && step_bytes > 0);
}

SlotId SlotPool::UsableSlots() const {
  return static_cast<SlotId>(std::min(max_slots_, region_.bytes() / slot_bytes_));
}

std::optional<SlotId> SlotPool::Take() {
  if (first_free_ == kNoSlot) {
    if (end_ == usable_) return std::nullopt;
    return end_++;
  }
  const SlotId slot = first_free_;
  std::memcpy(&first_free_, Slot(slot), sizeof(first_free_));
  return slot;
}

void SlotPool::PushFree(SlotId slot) {
  std::memcpy(Slot(slot), &first_free_, sizeof(first_free_));
  first_free_ = slot;
}

void SlotPool::Retire(SlotId slot) {
  // A slot past the end goes with the memory that is being given back.
  if (slot < usable_) retired_[epochs_.epoch() % 3].push_back(slot);
}

size_t SlotPool::retired() const {
  return retired_[0].size() + retired_[1].size() + retired_[2].size();
}

size_t SlotPool::retired_limit() const {
  return std::clamp<size_t>(usable_ / kMaxRetiredFraction, 1, kMaxRetired);
}

void SlotPool::Reclaim() {
  // From the epoch of the last retirement it takes two steps until no reader can see it.
  for (int step = 0; step < 2 && (retired() > 0 || shrinking()); ++step) {
    if (!epochs_.TryAdvance()) break;
    std::vector<SlotId>& unseen = retired_[(epochs_.epoch() + 1) % 3];
    for (const SlotId slot : unseen) PushFree(slot);
    unseen.clear();
  }
  if (shrinking() && !shrink_postponed_ && epochs_.epoch() >= shrink_epoch_ + 2) {
    region_.ShrinkTo(shrink_to_bytes_);
    usable_ = UsableSlots();
    shrink_epoch_ = 0;
  }
}

uint64_t SlotPool::NextGrowth() const {
  if (usable_ == max_slots_) return 0;
  const uint64_t target = RoundUp((uint64_t{usable_} + 1) * slot_bytes_, step_bytes_);
  return std::min(target, region_.max_bytes()) - region_.bytes();
}

bool SlotPool::Grow(uint64_t headroom) {
  if (shrinking() || usable_ == max_slots_) return false;
  if (!region_.GrowTo(region_.bytes() + NextGrowth(), headroom)) return false;
  usable_ = UsableSlots();
  return true;
}

void SlotPool::ResumeShrink() {
  assert(shrinking());
  shrink_postponed_ = false;
  shrink_epoch_ = epochs_.epoch();
}

SlotId SlotPool::BeginShrink(uint64_t bytes) {
  assert(!shrinking());
  const uint64_t less = std::min(RoundUp(bytes, step_bytes_), region_.bytes());
  shrink_to_bytes_ = region_.bytes() - less;
  shrink_epoch_ = epochs_.epoch();
  usable_ = static_cast<SlotId>(std::min(max_slots_, shrink_to_bytes_ / slot_bytes_));
  end_ = std::min(end_, usable_);
  for (std::vector<SlotId>& slots : retired_) {
    std::erase_if(slots, [this](SlotId slot) { return slot >= usable_; });
  }
  SlotId slot = std::exchange(first_free_, kNoSlot);
  while (slot != kNoSlot) {
    SlotId next;
    std::memcpy(&next, Slot(slot), sizeof(next));
    if (slot < usable_) PushFree(slot);
    slot = next;
  }
  return usable_;
}

}  // namespace engram::storage
