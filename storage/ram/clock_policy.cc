#include "storage/ram/clock_policy.h"

#include <algorithm>
#include <atomic>
#include <cassert>

namespace engram::storage {
namespace {

std::atomic_ref<uint8_t> Atomic(uint8_t& state) { return std::atomic_ref<uint8_t>(state); }

}  // namespace

void ClockPolicy::Init(std::byte* state, uint32_t slots) {
  state_ = reinterpret_cast<uint8_t*>(state);
  slots_ = slots;
}

void ClockPolicy::OnHit(absl::Span<const SlotId> slots) {
  for (const SlotId slot : slots) {
    uint8_t state = Atomic(state_[slot]).load(std::memory_order_relaxed);
    if (state == kEmpty || state == kMaxState) continue;
    // Not a plain store, lest a slot removed meanwhile looks occupied. A lost race is a lost hit.
    const auto raised = static_cast<uint8_t>(state + 1);
    Atomic(state_[slot]).compare_exchange_weak(state, raised, std::memory_order_relaxed);
  }
}

bool ClockPolicy::ShouldAdmit(uint64_t /*group_hash*/) { return true; }

void ClockPolicy::OnInsert(SlotId slot, uint64_t /*group_hash*/) {
  assert(slot < slots_);
  end_ = std::max(end_, slot + 1);
  Atomic(state_[slot]).store(kNewcomer, std::memory_order_relaxed);
}

void ClockPolicy::OnRemove(SlotId slot) {
  Atomic(state_[slot]).store(kEmpty, std::memory_order_relaxed);
}

SlotId ClockPolicy::PickVictim() {
  SlotId coldest = 0;
  uint8_t coldest_state = kMaxState + 1;
  for (uint32_t steps = 0; steps < kMaxSteps;) {
    const SlotId slot = hand_;
    hand_ = hand_ + 1 < end_ ? hand_ + 1 : 0;
    const uint8_t state = Atomic(state_[slot]).load(std::memory_order_relaxed);
    if (state == kEmpty) continue;
    if (state == kNewcomer) return slot;
    if (state < coldest_state) {
      coldest = slot;
      coldest_state = state;
    }
    Atomic(state_[slot]).store(static_cast<uint8_t>(state - 1), std::memory_order_relaxed);
    ++steps;
  }
  return coldest;
}

SlotId ClockPolicy::PickVictimAmong(absl::Span<const SlotId> slots) {
  return *std::min_element(slots.begin(), slots.end(), [this](SlotId a, SlotId b) {
    return Atomic(state_[a]).load(std::memory_order_relaxed) <
           Atomic(state_[b]).load(std::memory_order_relaxed);
  });
}

}  // namespace engram::storage
