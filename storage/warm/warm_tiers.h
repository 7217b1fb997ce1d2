// The warm tiers of all tables, within one disk budget.
#ifndef ENGRAM_STORAGE_WARM_WARM_TIERS_H_
#define ENGRAM_STORAGE_WARM_WARM_TIERS_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "storage/cold/segment_store.h"
#include "storage/ram/byte_budget.h"
#include "storage/ram/ram_tiers.h"
#include "storage/table_spec.h"
#include "storage/warm/current_warm_tier.h"
#include "storage/warm/warm_tier.h"

namespace engram::storage {

// A table version that has a part in the disk budget.
struct WarmTable {
  std::string name;  // for the log
  TableSpec spec;
  std::shared_ptr<CurrentWarmTier> current;
};

// Who has a warm tier, and of what size, follows from which tables have a part (disk_division.h).
// When that changes, tiers that do not fit are given up first. What takes their place comes when
// nobody uses them any more: so budgets are kept, and nobody waits. A new tier of the same table
// takes over the segments that it has room for. RAM for a tier is had from the caches, little by
// little; if it would be more than half of what they have, the tier comes when so much is free.
//
// Tiers may outlive it.
class WarmTiers {
 public:
  // Opens the tiers' database in `dir`, created if absent. With a budget of 0 there are no tiers,
  // and what is left in `dir` is removed.
  //   ram, engine: outlive this; `engine` all tiers as well
  //   PERMISSION_DENIED, RESOURCE_EXHAUSTED, DATA_LOSS
  static absl::StatusOr<std::unique_ptr<WarmTiers>> Open(const std::string& dir,
                                                         uint64_t disk_budget_bytes,
                                                         const RamTiers* ram, ReadEngine* engine,
                                                         const DatabaseConfig& config);

  // Has the budget divided anew. At the start that is due. These two are thread-safe.
  void SetDivisionDue() { divisions_due_.fetch_add(1); }
  // Whether there may be tiers to come.
  bool division_due() const { return database_ != nullptr && divided_ != divisions_due_; }

  // If it is due, goes as far with the division as is possible now; the rest stays due. Should be
  // called often, by one thread at a time, which is the one that calls the tiers' Step as well: so
  // what versions without a tier left on disk is removed before another tier is written to. That
  // thread is also the one that destroys tiers, as long as this object lives.
  //   list: asked for the tables that have a part now
  //   DATA_LOSS  what was left could not be removed
  absl::Status Divide(absl::FunctionRef<std::vector<WarmTable>()> list, absl::Time now);

  uint64_t budget_bytes() const { return budget_->limit_bytes(); }

 private:
  // A table's part of the disk.
  struct Part {
    WarmTable table;
    uint64_t bytes = 0;
  };
  enum class Progress : uint8_t { kDone, kWaiting, kFailed };

  WarmTiers(uint64_t disk_budget_bytes, const RamTiers* ram,
            std::unique_ptr<SegmentDatabase> database);

  std::vector<Part> PartsOf(std::vector<WarmTable> tables) const;
  // Sets RAM aside for the tiers to come.
  void SetMemoryAside(absl::Span<const Part> parts) const;
  // Takes tiers that do not fit their part, or have none, from their tables.
  void GiveUpOthers(absl::Span<const Part> parts);
  // Destroys given up tiers that nobody uses. Returns whether these are all.
  bool EndGivenUp();
  // Creates the tiers that are lacking, as far as the budgets have room.
  Progress CreateLacking(absl::Span<const Part> parts);
  Progress Create(const Part& part);
  // Removes what was left by tiers that are gone.
  absl::Status RemoveLeft();
  WarmTierOptions OptionsOf(const Part& part) const;

  const std::shared_ptr<ByteBudget> budget_;  // of disk, not of RAM
  const RamTiers* const ram_;
  const std::unique_ptr<SegmentDatabase> database_;  // null: there are no tiers
  std::atomic<uint64_t> divisions_due_{1};
  std::atomic<uint64_t> divided_{0};  // of these: nothing is left to be done

  // Of the thread that calls Divide.
  std::vector<std::shared_ptr<CurrentWarmTier>> current_;  // those with a tier
  std::vector<std::shared_ptr<WarmTier>> given_up_;        // and maybe used
  bool may_have_left_ = true;                              // something on disk: tiers that are gone
  absl::Time next_try_ = absl::InfinitePast();
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_WARM_WARM_TIERS_H_
