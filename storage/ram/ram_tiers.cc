#include "storage/ram/ram_tiers.h"

#include <algorithm>
#include <random>
#include <utility>

#include "storage/placement/ngram_orders.h"
#include "storage/placement/reuse_policy.h"
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

}  // namespace

RamTiers::RamTiers(uint64_t budget_bytes)
    : budget_(std::make_shared<ByteBudget>(budget_bytes)),
      shares_(std::make_shared<RamShares>(budget_)),
      hash_seed_(RandomSeed()) {}

std::unique_ptr<RamTier> RamTiers::NewCache(const TableSpec& spec, LowerTier* lower) {
  auto policy = std::make_unique<ReusePolicy>(PolicyOptionsFor(spec, hash_seed_));
  return std::make_unique<GroupCache>(spec, shares_, std::move(policy),
                                      GroupCacheOptions{.hash_seed = hash_seed_}, lower);
}

absl::StatusOr<std::unique_ptr<WholeTable>> RamTiers::NewWholeTable(const TableSpec& spec) {
  return WholeTable::Create(spec, budget_);
}

}  // namespace engram::storage
