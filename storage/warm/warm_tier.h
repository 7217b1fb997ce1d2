// The warm tier of one table: n-grams too cold for RAM, each as one record on NVMe.
#ifndef ENGRAM_STORAGE_WARM_WARM_TIER_H_
#define ENGRAM_STORAGE_WARM_WARM_TIER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "storage/cold/segment_store.h"
#include "storage/placement/future_uses.h"
#include "storage/placement/lower_tier.h"
#include "storage/placement/ngram_orders.h"
#include "storage/ram/byte_budget.h"
#include "storage/ram/huge_region.h"
#include "storage/table_spec.h"
#include "storage/warm/warm_index.h"
#include "storage/warm/warm_layout.h"

namespace engram::storage {

struct WarmTierOptions {
  uint64_t disk_bytes = 0;                          // never exceeded
  uint64_t segment_bytes = uint64_t{16} << 20;      // at most
  uint64_t write_bytes_per_s = uint64_t{64} << 20;  // at most, over time
  uint64_t hash_seed = 0;                           // that of the cache's hashes
};

struct WarmTierStats {
  uint64_t groups = 0;         // held
  uint64_t disk_bytes = 0;     // taken
  uint64_t admissions = 0;     // groups brought in
  uint64_t evictions = 0;      // groups that made room
  uint64_t refusals = 0;       // groups not brought in because all held are worth more
  uint64_t skipped = 0;        // groups not brought in because writing did not keep up
  uint64_t bytes_written = 0;  // records kept when a segment was written anew included
};

// One group to read.
struct WarmRead {
  SlotId slot = 0;             // as Find said
  const RowId* ids = nullptr;  // [group_size]
  std::byte* rows = nullptr;   // out: [group_size x row_bytes]
  uint32_t group = 0;          // the caller's own number for it
  bool found = false;          // out: whether it was there, and its rows are
};

// What leaves the cache above is collected, as long as the disk budget is not used up, and after
// that if more uses are to be expected of it than of what is held (FutureUses). When enough has
// come together it is written as a segment; a full tier writes it in place of the segment that is
// worth least, whose better half it keeps. So records live until better ones come, and are written
// few times. What the tier holds is a copy: whatever is lost or damaged is read from the cold tier.
//
// Find and Read are called by any number of threads alongside everything else, and lock nothing;
// OnEnter and OnLeave by the cache; Step by one thread.
class WarmTier final : public LowerTier {
 public:
  using OpenStore =
      absl::FunctionRef<absl::StatusOr<std::unique_ptr<SegmentStore>>(const SegmentShape& shape)>;

  // Takes options.disk_bytes of the disk budget, or less if the index would take more than an
  // eighth of the RAM budget. `open_store` gives it a place to write to; what stands there is its
  // own. Null if that is not enough for a few segments.
  //   UNAVAILABLE  too little is left of one of the budgets at the moment
  //   or an error of open_store
  static absl::StatusOr<std::unique_ptr<WarmTier>> Create(const TableSpec& spec,
                                                          const std::shared_ptr<ByteBudget>& disk,
                                                          const std::shared_ptr<ByteBudget>& ram,
                                                          const WarmTierOptions& options,
                                                          OpenStore open_store);
  ~WarmTier() override;

  // What such a tier takes of the RAM budget; 0 if it is null.
  static uint64_t MemoryBytes(const TableSpec& spec, uint64_t ram_budget_bytes,
                              const WarmTierOptions& options);

  const WarmLayout& layout() const { return layout_; }

  // Of the disk budget, as Create was told.
  uint64_t offered_bytes() const { return offered_bytes_; }

  // The slot that most probably holds the group with these ids: [group_size].
  std::optional<SlotId> Find(const RowId* ids) const;

  // Reads groups, sorted by slot, and adds the cost to *stats. One that was not there after all, or
  // cannot be read, is no error.
  //   DEADLINE_EXCEEDED, CANCELLED
  absl::Status Read(absl::Span<WarmRead> reads, const ReadTerms& terms, ColdReadStats* stats);

  void OnEnter(const GroupKey& group, uint8_t told_uses) override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnLeave(const GroupKey& group, uint8_t uses, const RowId* ids,
               const std::byte* rows) override ABSL_LOCKS_EXCLUDED(mutex_);

  // Does a part of the work that is due: takes in a segment found at the start, or writes one.
  // Returns whether it did any.
  bool Step(absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_);

  // How many groups more can be collected; with no room left, a segment is due to be written.
  size_t CollectRoom() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return layout_.segment_records() - pending_.size();
  }

  WarmTierStats Stats() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // A group collected for the next segment; its record is in the collecting half of the memory.
  struct Pending {
    uint64_t hash;
    WarmUse use;
  };
  using LevelCounts = std::array<uint32_t, FutureUses::kLevels + 1>;  // groups of each level
  class GroupCopier;
  class SegmentWriter;  // one segment being put together and written: segment_writer.cc

  WarmTier(const TableSpec& spec, const std::shared_ptr<ByteBudget>& disk,
           const std::shared_ptr<ByteBudget>& ram, const WarmTierOptions& options,
           const WarmLayout& layout, uint64_t offered_bytes);

  // Takes disk and RAM. Returns false if there is not enough.
  bool TakeMemory();
  void Use(std::unique_ptr<SegmentStore> store) ABSL_LOCKS_EXCLUDED(mutex_);

  uint64_t HashOf(const RowId* ids) const;
  std::byte* Half(size_t half) const { return halves_ + half * half_bytes_; }
  std::byte* RecordIn(size_t half, size_t index) const {
    return Half(half) + (layout_.directory_slots() + index) * layout_.record_bytes();
  }
  bool full() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return free_segments_.empty(); }
  bool WriteIsDue(absl::Time now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What a group is worth to the tier.
  uint8_t LevelOf(const WarmUse& use) const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return use.in_ram ? future_.lowest_level() : future_.LevelOf(use.order, use.uses);
  }
  // What a newcomer has to be worth more than to take the place of a group that is held.
  uint8_t LevelToBeat(const WarmUse& held) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Calls `visit` for each segment, locked, but lets others in now and then.
  void VisitSegments(absl::FunctionRef<void(uint64_t segment)> visit) ABSL_LOCKS_EXCLUDED(mutex_);
  void Age() ABSL_LOCKS_EXCLUDED(mutex_);
  // Enters the groups of a segment that was found at the start.
  void TakeIn(uint64_t segment) ABSL_LOCKS_EXCLUDED(mutex_);
  void EnterRecord(const RowId* ids, SlotId slot, const WarmUse& use)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The segment that these newcomers can be put into at the least loss. Finds the floor as well.
  uint64_t CheapestSegment(const LevelCounts& newcomers) ABSL_LOCKS_EXCLUDED(mutex_);
  void WriteSegment(absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_);

  // What writing a record costs, in the uses that it has to save.
  static constexpr double kWriteCost = 0.2;
  // Groups that leave the cache, for each slot, until uses count half.
  static constexpr uint64_t kUsesToAge = 8;

  const std::shared_ptr<ByteBudget> disk_;
  bool disk_reserved_ = false;  // options_.disk_bytes
  const WarmLayout layout_;
  const WarmTierOptions options_;  // as far as there is RAM for them
  const uint64_t offered_bytes_;
  const NgramOrders orders_;
  const uint64_t half_bytes_;
  HugeRegion memory_;                 // index, then two segments: one collecting, one being written
  std::unique_ptr<WarmIndex> index_;  // changed under mutex_
  std::byte* halves_ = nullptr;
  std::unique_ptr<SegmentStore> store_;

  mutable absl::Mutex mutex_;
  FutureUses future_ ABSL_GUARDED_BY(mutex_);
  std::vector<Pending> pending_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint64_t, uint32_t> pending_index_ ABSL_GUARDED_BY(mutex_);  // by hash
  size_t collecting_ ABSL_GUARDED_BY(mutex_) = 0;                                  // which half
  // Of the held group that was easiest to beat, once that was looked for.
  std::optional<WarmUse> floor_ ABSL_GUARDED_BY(mutex_);
  uint64_t uses_since_aged_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t uses_since_refreshed_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<uint64_t> found_segments_ ABSL_GUARDED_BY(mutex_);  // to be taken in
  std::vector<uint64_t> free_segments_ ABSL_GUARDED_BY(mutex_);   // last one first
  absl::Time next_write_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  WarmTierStats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_WARM_WARM_TIER_H_
