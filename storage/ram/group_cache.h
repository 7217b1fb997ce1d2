// The RAM tier of a table that does not fit: its popular groups.
#ifndef ENGRAM_STORAGE_RAM_GROUP_CACHE_H_
#define ENGRAM_STORAGE_RAM_GROUP_CACHE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "storage/placement/eviction_policy.h"
#include "storage/placement/lower_tier.h"
#include "storage/placement/ngram_orders.h"
#include "storage/placement/usage_monitor.h"
#include "storage/ram/group_index.h"
#include "storage/ram/huge_region.h"
#include "storage/ram/ram_shares.h"
#include "storage/ram/ram_tier.h"
#include "storage/ram/reader_epochs.h"
#include "storage/ram/slot_pool.h"
#include "storage/table_spec.h"

namespace engram::storage {

struct GroupCacheOptions {
  uint64_t hash_seed = 0;                 // random, so that nobody can choose ids that collide
  uint64_t hash_mask = ~uint64_t{0};      // bits of the hash in use; tests take some away
  std::shared_ptr<UsageMonitor> usage{};  // told of the groups that are looked up, unless null
  double fixed_share = 0;                 // of the budget, as for RamShares::Join
};

// Slots of one group each: its row ids, which name it, then its rows. An index finds the slot by a
// hash of the ids; the ids decide. Memory comes from the budget as it is needed, up to one slot for
// each row of the table, and goes back when another table is entitled to it; all that grows with
// the number of groups is charged. Index and policy state take their final size at the first Admit.
//
// Lookup takes no lock and waits for nobody; groups that it finds are not overwritten before it
// returns. Admit and GiveBack lock the cache, but never wait for readers: where no slot is free
// because readers are slow, groups are skipped. Pinned groups never leave: they move when their
// memory is given back, and memory that they fill is not.
class GroupCache : public RamTier, private RamShare {
 public:
  // lower: told of groups that come and go; outlives the cache, or is null
  GroupCache(const TableSpec& spec, std::shared_ptr<RamShares> shares,
             std::unique_ptr<EvictionPolicy> policy, const GroupCacheOptions& options,
             LowerTier* lower = nullptr);
  ~GroupCache() override;

  void Lookup(absl::Span<const RowId> row_ids, std::byte* rows,
              std::vector<uint32_t>* misses) override;
  void Admit(absl::Span<const RowId> row_ids, const std::byte* rows,
             absl::Span<const uint32_t> groups) override;
  RestoreCounts Restore(absl::Span<const RowId> row_ids, const std::byte* rows,
                        absl::Span<const GroupPast> pasts, RestoreRoom room) override;
  std::vector<uint32_t> NotHeld(absl::Span<const RowId> row_ids) override;
  void TakePart() override;
  uint64_t pin_limit() override;
  std::vector<uint32_t> NotPinned(absl::Span<const RowId> row_ids) override;
  size_t Unpin(absl::Span<const RowId> row_ids) override;
  size_t UnpinAll() override;
  uint64_t max_groups() const override { return geometry_.max_slots; }
  std::vector<SlotId> SlotsByWorth() override;
  void Export(absl::Span<const SlotId> slots, KnownGroups* out) override;
  void ExportWithRows(absl::Span<const SlotId> slots, KnownGroups* out,
                      std::vector<std::byte>* rows) override;
  std::vector<float> Knowledge() override;
  bool Teach(absl::Span<const float> knowledge) override;
  RamTierStats Stats() const override;
  UsageMonitor* usage() const override { return options_.usage.get(); }
  RamShare* share() override { return this; }

  // The RAM that each of very many groups takes, metadata included.
  static double BytesPerGroup(const TableSpec& spec, const EvictionPolicy& policy);

  // While the guard lives, no memory that Lookup could reach when it was taken is reused.
  [[nodiscard]] ReaderEpochs::Guard PinMemory() { return pool_.Enter(); }

 private:
  class Gather;  // one Lookup under way: group_gather.cc

  // What Admit and Restore are offered: row ids and rows of many groups.
  struct Offer {
    const RowId* row_ids;
    const std::byte* rows;
    const GroupPast* pasts = nullptr;  // null: the groups are used now
    bool may_evict = true;
    bool within_fair_share = false;
    uint64_t pin_limit = 0;  // as pin_limit(), where a past says pinned
  };
  struct Outcome {
    uint64_t lacking_bytes = 0;  // that the cache would have taken, had there been room
    size_t held = 0;
    size_t done = 0;  // groups; the others found no slot free
  };
  // A group of it that a victim was evicted for.
  struct Waiting {
    uint32_t group;
    GroupKey key;
  };
  const RowId* IdsOf(const Offer& offer, uint32_t group) const {
    return offer.row_ids + size_t{group} * group_size_;
  }
  const std::byte* RowsOf(const Offer& offer, uint32_t group) const {
    return offer.rows + size_t{group} * group_bytes_;
  }

  // What the spec and the budget make of the cache.
  struct Geometry {
    uint64_t slot_bytes = 0;
    uint32_t max_slots = 0;
    uint64_t index_bytes = 0;
    uint64_t metadata_bytes = 0;  // index, then policy state
    uint64_t step_bytes = 0;      // by which the slots' memory grows
  };
  static Geometry GeometryFor(const TableSpec& spec, const EvictionPolicy& policy, uint64_t budget);

  uint64_t HashOf(const RowId* ids) const;
  GroupKey KeyOf(const RowId* ids) const;
  // Tells of groups that were looked up, of which the misses are those from `first_miss` on.
  void NotePicked(absl::Span<const RowId> row_ids, const std::vector<uint32_t>& misses,
                  size_t first_miss) const;
  bool SlotHolds(SlotId slot, const RowId* ids) const;
  std::optional<SlotId> Find(const RowId* ids, const GroupKey& key) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The groups that are not in a slot which `wanted` agrees to.
  std::vector<uint32_t> GroupsNotIn(absl::Span<const RowId> row_ids,
                                    absl::FunctionRef<bool(SlotId slot)> wanted)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // What is told of a group's past, as far as it may be pinned now.
  GroupPast PastIn(const Offer& offer, uint32_t group) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetPinned(SlotId slot, bool pinned) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether the cache holds a group of the offer; if so, that is a use of it, unless its past
  // tells: then it may be pinned.
  bool FindHeld(const Offer& offer, uint32_t group, const GroupKey& key)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Export, and ExportWithRows unless `rows` is null.
  void ExportSlots(absl::Span<const SlotId> slots, KnownGroups* out, std::vector<std::byte>* rows)
      ABSL_LOCKS_EXCLUDED(mutex_);

  void Join();
  // Remembers groups that are not brought in, and offers them to the tier below. Returns how many
  // are held after all.
  size_t Refuse(const Offer& offer, absl::Span<const uint32_t> groups) ABSL_LOCKS_EXCLUDED(mutex_);
  // Between the turns of a large admission, so that a small one need not wait for all of it.
  void LetOthersAdmit() const ABSL_LOCKS_EXCLUDED(mutex_);
  Outcome AdmitLocked(const Offer& offer, absl::Span<const uint32_t> groups)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool SetUpMetadata() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A slot that is free now, of memory added if need be. Sets `lacking_bytes` if it is the budget
  // that has none to add.
  std::optional<SlotId> TakeFreeSlot(bool within_fair_share, uint64_t* lacking_bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Evicts a group for one that is worth more. Returns whether it did.
  bool EvictFor(const Offer& offer, uint32_t group, const GroupKey& key)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Inserts groups that a victim was evicted for, as far as readers are done with the victims: one
  // wait for readers serves them all.
  void InsertWaiting(const Offer& offer, std::vector<Waiting>* waiting)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Insert(SlotId slot, const Offer& offer, uint32_t group, const GroupKey& key)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Enters a slot into the index, at the expense of another if need be. Returns whether it could.
  bool Enter(SlotId slot, const GroupKey& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Returns whether a group stood in the slot.
  bool Evict(SlotId slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void GiveBack(uint64_t bytes) override ABSL_LOCKS_EXCLUDED(mutex_);
  void BeginShrink(uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Memory beside what pinned groups fill.
  uint64_t SpareBytes() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What readers are done with becomes free, for pinned groups that have to move in the first
  // place.
  void Reclaim() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Moves pinned groups out of memory that is given back, as far as slots are free, and sees to it
  // that others will be. Returns whether it did anything.
  bool MovePinned() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // One past the last slot that a group may be in.
  SlotId EndOfGroups() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return moving_.empty() ? pool_.end() : moving_.back() + 1;
  }
  void Move(SlotId from, SlotId to) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  RamShareShape Shape() const override;
  void UpdateHeld() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const uint64_t table_bytes_;
  const uint32_t group_size_;
  const size_t id_bytes_;     // of a group
  const size_t group_bytes_;  // its rows
  const NgramOrders orders_;
  const GroupCacheOptions options_;
  const Geometry geometry_;
  const std::shared_ptr<RamShares> shares_;
  const std::unique_ptr<EvictionPolicy> policy_;
  LowerTier* const lower_;

  // Constant once ready_ is set.
  HugeRegion metadata_;
  GroupIndex index_;
  std::atomic<bool> ready_{false};

  SlotPool pool_;  // changed under mutex_ only
  std::atomic<bool> joined_{false};
  std::atomic<uint64_t> groups_{0};
  std::atomic<uint64_t> admissions_{0};
  std::atomic<uint64_t> evictions_{0};
  std::atomic<uint64_t> refusals_{0};
  std::atomic<uint64_t> skipped_{0};
  std::atomic<uint64_t> pin_changes_{0};
  std::atomic<uint32_t> waiting_to_admit_{0};  // threads
  absl::Mutex mutex_;                          // held by whoever changes the cache
  // Pinned groups in memory that is given back once they have moved, ascending.
  std::vector<SlotId> moving_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_RAM_GROUP_CACHE_H_
