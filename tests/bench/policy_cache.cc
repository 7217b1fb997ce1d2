#include "tests/bench/policy_cache.h"

#include <utility>

#include "storage/placement/reuse_policy.h"

namespace engram::bench {

using storage::GroupKey;
using storage::SlotId;

PolicyCache::PolicyCache(const std::vector<GroupKey>& keys,
                         std::unique_ptr<storage::EvictionPolicy> policy, uint32_t slots,
                         storage::LowerTier* lower)
    : keys_(keys),
      policy_(std::move(policy)),
      lower_(lower),
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
    if (!victim.has_value()) {
      Leave(group, policy_->UsesOf(key));
      return false;
    }
    slot = *victim;
    const uint32_t evicted = group_in_[slot];
    Leave(evicted, policy_->UsesOf(slot));
    policy_->OnRemove(slot, keys_[evicted]);
    slot_of_[evicted] = kNoSlot;
  }
  policy_->OnInsert(slot, key);
  if (lower_ != nullptr) lower_->OnEnter(key, 0);
  slot_of_[group] = slot;
  group_in_[slot] = group;
  return false;
}

void PolicyCache::Leave(uint32_t group, uint8_t uses) {
  if (lower_ == nullptr) return;
  lower_->OnLeave(keys_[group], uses, &group, reinterpret_cast<const std::byte*>(&group));
}

std::unique_ptr<storage::EvictionPolicy> NewRamPolicy(uint32_t orders) {
  return std::make_unique<storage::ReusePolicy>(
      storage::ReusePolicyOptions{.orders = orders, .ghosts_per_slot = 2, .random_seed = 1});
}

std::optional<SlotId> RecordedPolicy::PickVictim(const GroupKey& /*newcomer*/) {
  const SlotId pick = picks_.front();
  picks_.remove_prefix(1);
  if (pick == PolicyCache::kNoSlot) return std::nullopt;
  return pick;
}

}  // namespace engram::bench
