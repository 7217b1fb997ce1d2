#include "storage/ram/ram_tiers.h"

#include <random>

#include "storage/ram/clock_policy.h"
#include "storage/ram/group_cache.h"

namespace engram::storage {
namespace {

uint64_t RandomSeed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

}  // namespace

RamTiers::RamTiers(uint64_t budget_bytes)
    : budget_(std::make_shared<RamBudget>(budget_bytes)),
      shares_(std::make_shared<RamShares>(budget_)),
      hash_seed_(RandomSeed()) {}

std::unique_ptr<RamTier> RamTiers::NewCache(const TableSpec& spec) {
  return std::make_unique<GroupCache>(spec, shares_, std::make_unique<ClockPolicy>(),
                                      GroupCacheOptions{.hash_seed = hash_seed_});
}

absl::StatusOr<std::unique_ptr<WholeTable>> RamTiers::NewWholeTable(const TableSpec& spec) {
  return WholeTable::Create(spec, budget_);
}

}  // namespace engram::storage
