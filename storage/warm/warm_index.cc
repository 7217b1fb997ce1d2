#include "storage/warm/warm_index.h"

#include <algorithm>

namespace engram::storage {
namespace {

constexpr uint64_t kBytesPerSlot = sizeof(uint16_t) + 2 * sizeof(uint8_t);

}  // namespace

uint64_t WarmIndex::BytesFor(uint32_t slots) {
  return GroupIndex::BytesFor(slots) + kBytesPerSlot * slots;
}

WarmIndex::WarmIndex(std::byte* memory, uint32_t slots)
    : groups_(memory, slots),
      checks_(reinterpret_cast<std::atomic<uint16_t>*>(memory + GroupIndex::BytesFor(slots))),
      uses_(reinterpret_cast<uint8_t*>(checks_ + slots)),
      kinds_(uses_ + slots) {}

// Of bits that the group index does not use by themselves.
uint16_t WarmIndex::CheckOf(uint64_t hash) {
  return static_cast<uint16_t>(((hash ^ hash >> 31) * 0x9E3779B97F4A7C15u) >> 48);
}

std::optional<SlotId> WarmIndex::Find(uint64_t hash) const {
  GroupIndex::Slots found;
  const auto end = found.begin() + groups_.FindCandidates(hash, found.data());
  const auto slot = std::find_if(found.begin(), end, [&, check = CheckOf(hash)](SlotId candidate) {
    return checks_[candidate].load(std::memory_order_relaxed) == check;
  });
  if (slot == end) return std::nullopt;
  return *slot;
}

bool WarmIndex::Insert(uint64_t hash, SlotId slot, const WarmUse& use) {
  checks_[slot].store(CheckOf(hash), std::memory_order_relaxed);
  if (!groups_.Insert(hash, slot)) return false;
  Update(slot, use);
  size_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void WarmIndex::Clear(SlotId begin, SlotId end) {
  const auto free = std::count(kinds_ + begin, kinds_ + end, uint8_t{0});
  size_.fetch_sub(end - begin - static_cast<uint64_t>(free), std::memory_order_relaxed);
  std::fill(kinds_ + begin, kinds_ + end, uint8_t{0});
}

}  // namespace engram::storage
