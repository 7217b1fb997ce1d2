#include "storage/ram/ram_shares.h"

#include <algorithm>
#include <utility>

namespace engram::storage {

RamShares::RamShares(std::shared_ptr<ByteBudget> budget) : budget_(std::move(budget)) {}

void RamShares::Join(RamShare* share, uint64_t weight, uint64_t minimum_bytes, double fixed_part) {
  absl::MutexLock lock(&mutex_);
  if (std::find(shares_.begin(), shares_.end(), share) != shares_.end()) return;
  share->size_ = weight;
  share->minimum_bytes_ = minimum_bytes;
  share->fixed_part_ = fixed_part;
  share->weight_.store(fixed_part > 0 ? 0 : weight, std::memory_order_relaxed);
  shares_.push_back(share);
  total_weight_.fetch_add(share->weight_, std::memory_order_relaxed);
  fixed_bytes_.fetch_add(FixedBytes(fixed_part), std::memory_order_relaxed);
}

void RamShares::Leave(RamShare* share) {
  absl::MutexLock lock(&mutex_);
  if (std::erase(shares_, share) == 0) return;
  total_weight_.fetch_sub(share->weight_, std::memory_order_relaxed);
  fixed_bytes_.fetch_sub(FixedBytes(share->fixed_part_), std::memory_order_relaxed);
  SetHeld(share, 0);
  SetOwed(share, 0);
}

uint64_t RamShares::FixedBytes(double part) const {
  return static_cast<uint64_t>(part * static_cast<double>(budget_->limit_bytes()));
}

uint64_t RamShares::CacheBytes() const {
  const uint64_t total_held = total_held_.load(std::memory_order_relaxed);
  const uint64_t used = budget_->used_bytes();
  const uint64_t used_by_others = used - std::min(used, total_held);
  return budget_->limit_bytes() - used_by_others;
}

uint64_t RamShares::DivisibleBytes() const {
  const uint64_t bytes = CacheBytes();
  return bytes - std::min(bytes, fixed_bytes_.load(std::memory_order_relaxed));
}

// The books are read without a lock while others change them: a share may come out slightly wrong
// for a moment, and only ever who gets memory depends on it, never how much there is.
uint64_t RamShares::FairBytes(const RamShare& share) const {
  if (share.fixed_part_ > 0) {
    return std::max(std::min(FixedBytes(share.fixed_part_), CacheBytes()), share.minimum_bytes_);
  }
  const uint64_t to_divide = DivisibleBytes();
  const uint64_t total_weight = total_weight_.load(std::memory_order_relaxed);
  if (total_weight == 0) return to_divide;
  const double part = static_cast<double>(share.weight_.load(std::memory_order_relaxed)) /
                      static_cast<double>(total_weight);
  const auto fair = static_cast<uint64_t>(part * static_cast<double>(to_divide));
  return std::max(fair, share.minimum_bytes_);
}

std::optional<RamShares::State> RamShares::StateOf(const RamShare& share) const {
  absl::MutexLock lock(&mutex_);
  if (std::find(shares_.begin(), shares_.end(), &share) == shares_.end()) return std::nullopt;
  return State{.held_bytes = share.held_bytes(),
               .fair_bytes = FairBytes(share),
               .minimum_bytes = share.minimum_bytes_,
               .fixed_part = share.fixed_part_};
}

// Targets become weights whose sum is that of the sizes, so that sizes of others compare to them.
void RamShares::SetTargets(absl::Span<const Target> targets) {
  absl::MutexLock lock(&mutex_);
  const auto takes_part = [this](const Target& target) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return target.share->fixed_part_ == 0 &&
           std::find(shares_.begin(), shares_.end(), target.share) != shares_.end();
  };
  double sizes = 0;
  double bytes = 0;
  for (const Target& target : targets) {
    if (!takes_part(target)) continue;
    sizes += static_cast<double>(target.share->size_);
    bytes += static_cast<double>(target.bytes);
  }
  if (bytes <= 0) return;
  for (const Target& target : targets) {
    if (!takes_part(target)) continue;
    const auto weight = static_cast<uint64_t>(static_cast<double>(target.bytes) / bytes * sizes);
    const uint64_t before = target.share->weight_.exchange(weight, std::memory_order_relaxed);
    total_weight_.fetch_add(weight - before, std::memory_order_relaxed);
  }
}

uint64_t RamShares::SurplusOf(const RamShare& share, uint64_t fair_bytes) {
  const uint64_t held = share.held_bytes();
  const uint64_t step = share.Shape().step_bytes;
  return held <= fair_bytes ? 0 : (held - fair_bytes) / step * step;
}

uint64_t RamShares::Shed(uint64_t most_bytes) {
  absl::MutexLock lock(&mutex_);
  RamShare* donor = nullptr;
  uint64_t most = 0;
  uint64_t total = 0;
  for (RamShare* share : shares_) {
    const uint64_t surplus = SurplusOf(*share, FairBytes(*share));
    total += surplus;
    if (surplus <= most) continue;
    donor = share;
    most = surplus;
  }
  const uint64_t free = budget_->limit_bytes() - budget_->used_bytes();
  if (donor != nullptr && free < most_bytes) donor->GiveBack(std::min(most, most_bytes));
  return total;
}

void RamShares::FreeSetAside(uint64_t most_bytes) {
  const uint64_t free = budget_->limit_bytes() - budget_->used_bytes();
  const uint64_t set_aside = set_aside_.load(std::memory_order_relaxed);
  if (free >= set_aside) return;
  const auto bytes = static_cast<double>(std::min(most_bytes, set_aside - free));
  absl::MutexLock lock(&mutex_);
  const auto total_held = static_cast<double>(total_held_.load(std::memory_order_relaxed));
  for (RamShare* share : shares_) {
    const uint64_t held = share->held_bytes();
    if (held <= share->minimum_bytes_) continue;
    share->GiveBack(1 + static_cast<uint64_t>(bytes * static_cast<double>(held) / total_held));
  }
}

uint64_t RamShares::Headroom(const RamShare& share, uint64_t bytes, bool within) const {
  const uint64_t set_aside = set_aside_.load(std::memory_order_relaxed);
  if (share.held_bytes() + bytes <= FairBytes(share)) return set_aside;
  if (within || strict_.load(std::memory_order_relaxed)) return budget_->limit_bytes();
  return set_aside + total_owed_.load(std::memory_order_relaxed);
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
