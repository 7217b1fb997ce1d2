// The RAM tier of one table.
#ifndef ENGRAM_STORAGE_RAM_RAM_TIER_H_
#define ENGRAM_STORAGE_RAM_RAM_TIER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "storage/placement/eviction_policy.h"
#include "storage/placement/known_groups.h"
#include "storage/placement/usage_monitor.h"
#include "storage/table_spec.h"

namespace engram::storage {

class RamShare;

struct RamTierStats {
  uint64_t rows = 0;         // rows held
  uint64_t bytes = 0;        // of the budget in use, metadata included
  uint64_t admissions = 0;   // groups brought in
  uint64_t evictions = 0;    // groups evicted
  uint64_t refusals = 0;     // groups not brought in because all held are worth more
  uint64_t skipped = 0;      // groups not brought in because no slot was free just then
  uint64_t pinned = 0;       // groups that stay until they are unpinned
  uint64_t pin_changes = 0;  // so often was a group that was held pinned, unpinned, or moved
};

// What makes room for groups that are offered with their past.
enum class RestoreRoom : uint8_t {
  kNone,       // memory that nobody has
  kFairShare,  // that, and what other tables' caches hold above their fair share; up to its own
  kWorth,      // that, and groups of this cache that are worth less
};

// Holds groups of rows. Thread-safe; Lookup takes no lock and waits for nobody.
class RamTier {
 public:
  virtual ~RamTier() = default;

  // Copies the rows of every group found to its place in `rows`, and appends the indices of groups
  // not found to `misses`, in ascending order.
  //   row_ids: [groups x group_size], all below spec.rows;  rows: [row_ids x row_bytes]
  virtual void Lookup(absl::Span<const RowId> row_ids, std::byte* rows,
                      std::vector<uint32_t>* misses) = 0;

  // Offers the groups with the given indices, whose rows stand in `rows`; the tier keeps those that
  // it deems worth it, evicting others. Groups that it holds already are left alone.
  //   row_ids, rows: as Lookup;  groups: indices, all below row_ids.size() / group_size
  virtual void Admit(absl::Span<const RowId> row_ids, const std::byte* rows,
                     absl::Span<const uint32_t> groups) = 0;

  // Offers groups with what is known of their use, which is at least one, most worthy first; this
  // is no use of them. Those that are refused are remembered, and offered to the tier below; but
  // with kNone the first refusal is the end. Those that are to be pinned are, were they held before
  // or not, up to pin_limit(); they are worth more than any that are not.
  //   row_ids, rows: as Lookup;  pasts: [groups]
  virtual RestoreCounts Restore(absl::Span<const RowId> /*row_ids*/, const std::byte* /*rows*/,
                                absl::Span<const GroupPast> /*pasts*/, RestoreRoom /*room*/) {
    return {};
  }

  // The groups that Lookup would not find, by their indices in `row_ids`: [groups x group_size]. No
  // use of them.
  virtual std::vector<uint32_t> NotHeld(absl::Span<const RowId> row_ids) = 0;

  // Claims its part of the budget, as the first group would.
  virtual void TakePart() {}

  // Groups that may be pinned at most: half of those that the tier's fair share of the budget has
  // room for. 0 where groups do not come and go. What is pinned already stays if it falls.
  virtual uint64_t pin_limit() { return 0; }
  // The groups that are not pinned, by their indices in `row_ids`: [groups x group_size].
  virtual std::vector<uint32_t> NotPinned(absl::Span<const RowId> /*row_ids*/) { return {}; }
  // Pinned groups are held like others from now on. Returns how many of these were pinned.
  virtual size_t Unpin(absl::Span<const RowId> /*row_ids*/) { return 0; }
  // The same for all of them. Should not be called while others pin groups.
  virtual size_t UnpinAll() { return 0; }

  // Groups that there could be room for, at most; 0 where groups do not come and go.
  virtual uint64_t max_groups() const { return 0; }

  // The slots that hold groups now, pinned ones first, then most worthy first, equals in any order.
  // Nothing where groups do not come and go.
  virtual std::vector<SlotId> SlotsByWorth() { return {}; }
  // Appends the groups in these slots to `out`, less those that left. Locks out Admit meanwhile, so
  // should be called with some thousands of slots at a time.
  virtual void Export(absl::Span<const SlotId> /*slots*/, KnownGroups* /*out*/) {}
  // As Export, and appends the groups' rows to `rows`: some dozens of slots at a time.
  //   rows: [groups x group_size x row_bytes]
  virtual void ExportWithRows(absl::Span<const SlotId> /*slots*/, KnownGroups* /*out*/,
                              std::vector<std::byte>* /*rows*/) {}

  // EvictionPolicy::Knowledge and Teach.
  virtual std::vector<float> Knowledge() { return {}; }
  virtual bool Teach(absl::Span<const float> /*knowledge*/) { return false; }

  virtual RamTierStats Stats() const = 0;

  // What watches the groups that are looked up; null: nothing. Lives as long as the tier.
  virtual UsageMonitor* usage() const { return nullptr; }

  // Its part of the budget that all caches divide; null: it takes no part. Lives as long as the
  // tier.
  virtual RamShare* share() { return nullptr; }
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_RAM_RAM_TIER_H_
