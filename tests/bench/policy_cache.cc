#include "tests/bench/policy_cache.h"

#include <utility>

namespace engram::bench {

using storage::GroupKey;
using storage::SlotId;

PolicyCache::PolicyCache(const std::vector<GroupKey>& keys,
                         std::unique_ptr<storage::EvictionPolicy> policy, uint32_t slots)
    : keys_(keys),
      policy_(std::move(policy)),
      state_((policy_->StateBytes(slots) + sizeof(Line) - 1) / sizeof(Line)),
      slot_of_(keys.size(), kNoSlot),
      group_in_(slots) {
  policy_->Init(reinterpret_cast<std::byte*>(state_.data()), slots);
}

bool PolicyCache::Use(uint32_t group) {
  if (const SlotId found = slot_of_[group]; found != kNoSlot) {
    policy_->OnHit({found});
    return true;
  }
  const GroupKey key = keys_[group];
  SlotId slot = held_;
  if (held_ < group_in_.size()) {
    ++held_;
  } else {
    const std::optional<SlotId> victim = policy_->PickVictim(key);
    picks_.push_back(victim.value_or(kNoSlot));
    if (!victim.has_value()) return false;
    slot = *victim;
    const GroupKey evicted = keys_[group_in_[slot]];
    policy_->OnRemove(slot, evicted);
    slot_of_[group_in_[slot]] = kNoSlot;
  }
  policy_->OnInsert(slot, key);
  slot_of_[group] = slot;
  group_in_[slot] = group;
  return false;
}

std::optional<SlotId> RecordedPolicy::PickVictim(const GroupKey& /*newcomer*/) {
  const SlotId pick = picks_.front();
  picks_.remove_prefix(1);
  if (pick == PolicyCache::kNoSlot) return std::nullopt;
  return pick;
}

}  // namespace engram::bench
