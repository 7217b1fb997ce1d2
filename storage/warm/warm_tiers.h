// The warm tiers of all tables, within one disk budget.
#ifndef ENGRAM_STORAGE_WARM_WARM_TIERS_H_
#define ENGRAM_STORAGE_WARM_WARM_TIERS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "storage/cold/segment_store.h"
#include "storage/ram/byte_budget.h"
#include "storage/table_spec.h"
#include "storage/warm/warm_tier.h"

namespace engram::storage {

// Thread-safe. Tiers may outlive it.
class WarmTiers {
 public:
  // Opens the tiers' database in `dir`, created if absent. With a budget of 0 there are no tiers,
  // and what is left in `dir` is removed. `engine` must outlive all tiers.
  //   PERMISSION_DENIED, RESOURCE_EXHAUSTED, DATA_LOSS
  static absl::StatusOr<std::unique_ptr<WarmTiers>> Open(const std::string& dir,
                                                         uint64_t disk_budget_bytes,
                                                         ReadEngine* engine,
                                                         const DatabaseConfig& config);

  // Removes what is kept of other tables. DATA_LOSS.
  absl::Status DropUnknown(absl::Span<const uint64_t> known_uids);

  // The tier of the table `uid`, with `share` (0 to 1) of the disk budget, or what is left of it.
  // Null if that is not enough; a log line says why.
  std::unique_ptr<WarmTier> NewTier(uint64_t uid, const TableSpec& spec, double share,
                                    const std::shared_ptr<ByteBudget>& ram, uint64_t hash_seed);

  uint64_t budget_bytes() const { return budget_->limit_bytes(); }

 private:
  WarmTiers(uint64_t disk_budget_bytes, std::unique_ptr<SegmentDatabase> database);

  const std::shared_ptr<ByteBudget> budget_;         // of disk, not of RAM
  const std::unique_ptr<SegmentDatabase> database_;  // null: there are no tiers
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_WARM_WARM_TIERS_H_
