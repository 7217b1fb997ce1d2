#include "storage/placement/miniature_cache.h"

#include <cassert>
#include <optional>

namespace engram::storage {

MiniatureCache::MiniatureCache(uint32_t slots, const ReusePolicyOptions& options)
    : slots_(slots),
      policy_(options),
      state_((policy_.StateBytes(slots) + sizeof(Line) - 1) / sizeof(Line)),
      index_(slots) {
  assert(slots > 0);
  policy_.Init(reinterpret_cast<std::byte*>(state_.data()), slots);
}

bool MiniatureCache::Use(const GroupKey& group) {
  if (const SlotId slot = index_.Find(group.hash); slot != SlotIndex::kNone) {
    policy_.OnHit({slot});
    return true;
  }
  SlotId slot = held_;
  if (held_ < slots_) {
    ++held_;
  } else {
    const std::optional<SlotId> victim = policy_.PickVictim(group);
    if (!victim.has_value()) return false;
    slot = *victim;
    // The policy keeps the order in its own history of the slot.
    policy_.OnRemove(slot, {.hash = index_.hash(slot)});
    index_.Remove(slot);
  }
  index_.Insert(group.hash, slot);
  policy_.OnInsert(slot, group);
  return false;
}

}  // namespace engram::storage
