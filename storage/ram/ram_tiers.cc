#include "storage/ram/ram_tiers.h"

#include <algorithm>
#include <random>
#include <utility>

#include "storage/placement/ngram_orders.h"
#include "storage/placement/reuse_policy.h"
#include "storage/placement/usage_monitor.h"
#include "storage/ram/group_cache.h"

namespace engram::storage {
namespace {

uint64_t RandomSeed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

// Ghosts take less than 0.8 % of the memory of small groups; of large ones more than two for each
// slot would gain less than 0.1 points of hit ratio.
ReusePolicyOptions PolicyOptionsFor(const TableSpec& spec, uint64_t seed) {
  constexpr double kMaxGhostsPerSlot = 2;
  constexpr double kGhostShare = 0.008;
  const auto group_bytes = static_cast<double>(spec.group_bytes());
  return {.orders = NgramOrders(spec).count(),
          .ghosts_per_slot =
              std::min(kMaxGhostsPerSlot, kGhostShare * group_bytes / sizeof(GroupHistory)),
          .random_seed = seed};
}

// A tier can grow to all of the budget, or to all groups of the table.
UsageMonitorOptions UsageOptionsFor(const TableSpec& spec, const ReusePolicy& policy,
                                    const ReusePolicyOptions& policy_options, uint64_t budget) {
  const double bytes_per_group = GroupCache::BytesPerGroup(spec, policy);
  const double most = static_cast<double>(budget) / bytes_per_group;
  return {.orders = spec.orders,
          .cache_groups = static_cast<uint64_t>(std::min(most, static_cast<double>(spec.rows))),
          .bytes_per_group = bytes_per_group,
          .ghosts_per_slot = policy_options.ghosts_per_slot,
          .random_seed = policy_options.random_seed};
}

}  // namespace

RamTiers::RamTiers(uint64_t budget_bytes)
    : budget_(std::make_shared<ByteBudget>(budget_bytes)),
      shares_(std::make_shared<RamShares>(budget_)),
      hash_seed_(RandomSeed()) {}

std::unique_ptr<RamTier> RamTiers::NewCache(const TableSpec& spec, LowerTier* lower,
                                            double fixed_share) {
  const ReusePolicyOptions policy_options = PolicyOptionsFor(spec, hash_seed_);
  auto policy = std::make_unique<ReusePolicy>(policy_options);
  auto usage = std::make_shared<UsageMonitor>(
      UsageOptionsFor(spec, *policy, policy_options, budget_->limit_bytes()));
  return std::make_unique<GroupCache>(
      spec, shares_, std::move(policy),
      GroupCacheOptions{.hash_seed = hash_seed_, .usage = usage, .fixed_share = fixed_share},
      lower);
}

absl::StatusOr<std::unique_ptr<WholeTable>> RamTiers::NewWholeTable(const TableSpec& spec) {
  return WholeTable::Create(spec, budget_);
}

}  // namespace engram::storage
