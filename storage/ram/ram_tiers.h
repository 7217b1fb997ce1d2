// The RAM tiers of all tables, within one budget. The one header of this folder, with ram_tier.h,
// that the store needs.
#ifndef ENGRAM_STORAGE_RAM_RAM_TIERS_H_
#define ENGRAM_STORAGE_RAM_RAM_TIERS_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "storage/placement/lower_tier.h"
#include "storage/ram/byte_budget.h"
#include "storage/ram/ram_shares.h"
#include "storage/ram/ram_tier.h"
#include "storage/ram/whole_table.h"
#include "storage/table_spec.h"

namespace engram::storage {

// Rows, row ids, index and policy state of all tiers stay within the budget at every moment; the
// objects themselves (some 20 KiB a table, and 60 KiB an n-gram order) are not counted.
// Thread-safe. Tiers may outlive it.
class RamTiers {
 public:
  explicit RamTiers(uint64_t budget_bytes);

  // A cache of the table's popular groups. It takes memory when groups are admitted: whatever is
  // free, and its fair share at the expense of caches that have more than theirs. With a budget too
  // small for one group it never holds anything.
  //   lower: as for GroupCache;  fixed_share: as for RamShares::Join
  std::unique_ptr<RamTier> NewCache(const TableSpec& spec, LowerTier* lower = nullptr,
                                    double fixed_share = 0);

  // The whole table, to be loaded by the caller. Takes its memory at once.
  //   RESOURCE_EXHAUSTED  the budget has not enough left; names both sizes
  absl::StatusOr<std::unique_ptr<WholeTable>> NewWholeTable(const TableSpec& spec);

  // What the tiers take memory from, and what they hash groups with: for tiers beside them.
  const std::shared_ptr<ByteBudget>& budget() const { return budget_; }
  RamShares& shares() const { return *shares_; }
  uint64_t hash_seed() const { return hash_seed_; }

  uint64_t used_bytes() const { return budget_->used_bytes(); }
  uint64_t budget_bytes() const { return budget_->limit_bytes(); }

 private:
  const std::shared_ptr<ByteBudget> budget_;
  const std::shared_ptr<RamShares> shares_;
  const uint64_t hash_seed_;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_RAM_RAM_TIERS_H_
