#include "storage/ram/ram_shares.h"

#include <algorithm>
#include <utility>

namespace engram::storage {

RamShares::RamShares(std::shared_ptr<ByteBudget> budget) : budget_(std::move(budget)) {}

void RamShares::Join(RamShare* share, uint64_t weight, uint64_t minimum_bytes) {
  absl::MutexLock lock(&mutex_);
  if (std::find(shares_.begin(), shares_.end(), share) != shares_.end()) return;
  share->weight_ = weight;
  share->minimum_bytes_ = minimum_bytes;
  shares_.push_back(share);
  total_weight_.fetch_add(share->weight_, std::memory_order_relaxed);
}

void RamShares::Leave(RamShare* share) {
  absl::MutexLock lock(&mutex_);
  if (std::erase(shares_, share) == 0) return;
  total_weight_.fetch_sub(share->weight_, std::memory_order_relaxed);
  SetHeld(share, 0);
  SetOwed(share, 0);
}

// The books are read without a lock while others change them: a share may come out slightly wrong
// for a moment, and only ever who gets memory depends on it, never how much there is.
uint64_t RamShares::FairBytes(const RamShare& share) const {
  const uint64_t total_weight = total_weight_.load(std::memory_order_relaxed);
  const uint64_t total_held = total_held_.load(std::memory_order_relaxed);
  const uint64_t used = budget_->used_bytes();
  const uint64_t used_by_others = used - std::min(used, total_held);
  const uint64_t to_divide = budget_->limit_bytes() - used_by_others;
  if (total_weight == 0) return to_divide;
  const double part = static_cast<double>(share.weight_) / static_cast<double>(total_weight);
  const auto fair = static_cast<uint64_t>(part * static_cast<double>(to_divide));
  return std::max(fair, share.minimum_bytes_);
}

uint64_t RamShares::Headroom(const RamShare& share, uint64_t bytes) const {
  if (share.held_bytes() + bytes <= FairBytes(share)) return 0;
  return total_owed_.load(std::memory_order_relaxed);
}

void RamShares::SetHeld(RamShare* share, uint64_t bytes) {
  const uint64_t before = share->held_.exchange(bytes, std::memory_order_relaxed);
  total_held_.fetch_add(bytes - before, std::memory_order_relaxed);
  if (bytes > before) SetOwed(share, 0);
}

void RamShares::SetOwed(RamShare* share, uint64_t bytes) {
  const uint64_t before = share->owed_.exchange(bytes, std::memory_order_relaxed);
  total_owed_.fetch_add(bytes - before, std::memory_order_relaxed);
}

void RamShares::Ask(RamShare* share, uint64_t bytes) {
  if (share->held_bytes() + bytes > FairBytes(*share)) {
    if (share->owed_.load(std::memory_order_relaxed) != 0) SetOwed(share, 0);
    return;
  }
  // Nobody need be above a fair share that leaves nothing for the minimum of a small one.
  const bool needs_minimum = share->held_bytes() + bytes <= share->minimum_bytes_;
  absl::MutexLock lock(&mutex_);
  RamShare* donor = nullptr;
  int64_t most = 0;
  for (RamShare* other : shares_) {
    const auto surplus = static_cast<int64_t>(other->held_bytes() - FairBytes(*other));
    const bool may_give =
        surplus > 0 || (needs_minimum && other->held_bytes() > other->minimum_bytes_);
    if (other == share || !may_give || (donor != nullptr && surplus <= most)) continue;
    donor = other;
    most = surplus;
  }
  SetOwed(share, donor == nullptr ? 0 : bytes);
  if (donor != nullptr) donor->GiveBack(bytes);
}

}  // namespace engram::storage
