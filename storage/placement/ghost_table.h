// What is remembered of groups that are not held.
#ifndef ENGRAM_STORAGE_PLACEMENT_GHOST_TABLE_H_
#define ENGRAM_STORAGE_PLACEMENT_GHOST_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "storage/placement/group_history.h"
#include "storage/placement/reuse_model.h"

namespace engram::storage {

// Histories by hash, eight bytes each, in buckets of one cache line. A full bucket forgets the
// group that a model expects least of. A group is told from others by 16 bits of its hash, so a
// newcomer is now and then (8 in 65,536) taken for another. Of the orders of n-grams the first
// eight are told apart. For one thread at a time.
class GhostTable {
 public:
  // The memory that a table for about `groups` groups takes.
  static uint64_t BytesFor(uint64_t groups);

  GhostTable() = default;  // not to be used
  // `memory` holds BytesFor(groups) bytes, zeroed, aligned to a cache line, and outlives the table.
  GhostTable(std::byte* memory, uint64_t groups);

  void Put(uint64_t hash, const GroupHistory& history, const ReuseModel& model, uint32_t now);
  std::optional<GroupHistory> Find(uint64_t hash) const;
  void Remove(uint64_t hash);

  uint64_t capacity() const { return buckets_ * kBucketEntries; }

  void Prefetch(uint64_t place) const;
  // What stands at a place below capacity(), if anything does.
  std::optional<GroupHistory> At(uint64_t place) const;

 private:
  static constexpr uint64_t kBucketEntries = 8;
  struct Entry {
    uint32_t last_use;
    uint16_t tag;
    uint8_t uses;  // 0: empty
    uint8_t rest;  // gap in the lower 5 bits, order in the upper 3
  };
  static_assert(sizeof(Entry) == 8);

  Entry* BucketOf(uint64_t hash) const;
  Entry* EntryOf(uint64_t hash) const;  // null: not there
  static GroupHistory HistoryIn(const Entry& entry);

  Entry* entries_ = nullptr;
  uint64_t buckets_ = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_GHOST_TABLE_H_
