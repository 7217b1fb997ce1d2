// Groups of a table that were read before anybody fetched them.
#ifndef ENGRAM_STORAGE_FETCH_PREFETCHED_GROUPS_H_
#define ENGRAM_STORAGE_FETCH_PREFETCHED_GROUPS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "storage/ram/byte_budget.h"
#include "storage/store_stats.h"
#include "storage/table_spec.h"

namespace engram::storage {

// Each waits here, beside RAM, for the one fetch that it is for, which takes it away; where the
// budget is used up the oldest goes for a new one. Counts what becomes of hints. Thread-safe.
class PrefetchedGroups {
 public:
  struct Group {
    absl::Time since;
    std::unique_ptr<std::byte[]> memory;  // ids, then rows
    absl::Span<const RowId> ids;          // [group_size]
    const std::byte* rows = nullptr;      // [group_size x row_bytes]
  };
  // One of the groups of a fetch, of which several may be the same.
  struct Taken {
    uint32_t group;
    std::shared_ptr<const Group> content;
  };

  // budget: shared with other tables; null for none
  PrefetchedGroups(const TableSpec& spec, std::shared_ptr<ByteBudget> budget);
  ~PrefetchedGroups();

  // Keeps a group, unless it is here or there is no room.
  //   ids: [group_size];  rows: [group_size x row_bytes]
  void Put(absl::Span<const RowId> ids, const std::byte* rows) ABSL_LOCKS_EXCLUDED(mutex_);

  // Takes those of `groups` away that are here, out of `groups` as well.
  //   row_ids: [groups x group_size];  groups: ascending indices
  std::vector<Taken> Take(absl::Span<const RowId> row_ids, std::vector<uint32_t>* groups)
      ABSL_LOCKS_EXCLUDED(mutex_);

  bool Holds(absl::Span<const RowId> ids) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Lets go of groups that nobody fetched for a while, so that other tables have the room.
  void Expire(absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_);

  // Hints that are, or are not, followed.
  void CountAccepted(uint64_t groups) { accepted_.fetch_add(groups, std::memory_order_relaxed); }
  void CountDropped(uint64_t groups) { dropped_.fetch_add(groups, std::memory_order_relaxed); }
  // What was read in vain, beside what is let go here.
  void CountWasted(uint64_t groups) { wasted_.fetch_add(groups, std::memory_order_relaxed); }

  PrefetchStats Stats() const;

  // What a group takes of the budget.
  uint64_t group_bytes() const { return group_bytes_; }

 private:
  using Groups = std::list<std::shared_ptr<const Group>>;  // oldest first

  bool MakeRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Remove(Groups::iterator group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const uint32_t group_size_;
  const size_t rows_bytes_;
  const uint64_t group_bytes_;
  const std::shared_ptr<ByteBudget> budget_;

  std::atomic<uint64_t> accepted_{0};
  std::atomic<uint64_t> dropped_{0};
  std::atomic<uint64_t> used_{0};
  std::atomic<uint64_t> wasted_{0};
  std::atomic<size_t> held_{0};  // so that those who find nothing here need no lock

  mutable absl::Mutex mutex_;
  Groups groups_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<absl::Span<const RowId>, Groups::iterator> by_ids_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_FETCH_PREFETCHED_GROUPS_H_
