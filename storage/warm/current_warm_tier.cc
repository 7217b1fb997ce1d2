#include "storage/warm/current_warm_tier.h"

#include <utility>

namespace engram::storage {
namespace {

// Adds what was counted.
void AddCounters(const WarmTierStats& more, WarmTierStats* stats) {
  stats->admissions += more.admissions;
  stats->evictions += more.evictions;
  stats->refusals += more.refusals;
  stats->skipped += more.skipped;
  stats->bytes_written += more.bytes_written;
}

}  // namespace

std::shared_ptr<WarmTier> CurrentWarmTier::Get() const {
  absl::MutexLock lock(&mutex_);
  return tier_;
}

std::shared_ptr<WarmTier> CurrentWarmTier::Replace(std::shared_ptr<WarmTier> tier) {
  const std::shared_ptr<WarmTier> before = Get();
  const WarmTierStats counted = before == nullptr ? WarmTierStats() : before->Stats();
  absl::MutexLock lock(&mutex_);
  AddCounters(counted, &before_);
  tier_ = std::move(tier);
  return before;
}

void CurrentWarmTier::OnEnter(const GroupKey& group, uint8_t told_uses) {
  if (const auto tier = Get(); tier != nullptr) tier->OnEnter(group, told_uses);
}

void CurrentWarmTier::OnLeave(const GroupKey& group, uint8_t uses, const RowId* ids,
                              const std::byte* rows) {
  if (const auto tier = Get(); tier != nullptr) tier->OnLeave(group, uses, ids, rows);
}

WarmTierStats CurrentWarmTier::Stats() const {
  std::shared_ptr<WarmTier> tier;
  WarmTierStats before;
  {
    absl::MutexLock lock(&mutex_);
    tier = tier_;
    before = before_;
  }
  WarmTierStats stats = tier == nullptr ? WarmTierStats() : tier->Stats();
  AddCounters(before, &stats);
  return stats;
}

}  // namespace engram::storage
