// Finds the slot of a group by a hash of its row ids.
#ifndef ENGRAM_STORAGE_RAM_GROUP_INDEX_H_
#define ENGRAM_STORAGE_RAM_GROUP_INDEX_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "storage/placement/eviction_policy.h"

namespace engram::storage {

inline constexpr uint32_t kMaxSlots = 1u << 28;

// Buckets of 16 entries, one cache line each. A group stands in one of two buckets, both given by
// its hash and in the same page, lest each costs a translation of its address; an entry is its slot
// and as many more bits of the hash, the tag, as four bytes have room for. Finding is lock-free and
// yields candidates only: the row ids that the caller keeps with the slot decide. Changes are the
// business of one thread at a time.
//
// A reader may still find a slot just after its removal. Who reuses slots waits for such readers
// (see ReaderEpochs).
class GroupIndex {
 public:
  static constexpr size_t kBucketEntries = 16;
  static constexpr size_t kMaxCandidates = 2 * kBucketEntries;
  using Slots = std::array<SlotId, kMaxCandidates>;

  // The memory that an index of `slots` slots takes: 4.4 bytes a slot, in pages of 4 KiB.
  static uint64_t BytesFor(uint32_t slots);

  GroupIndex() = default;  // not to be used
  // `memory` holds BytesFor(slots) bytes, zeroed, aligned to a page, and outlives the index.
  GroupIndex(std::byte* memory, uint32_t slots);

  void Prefetch(uint64_t hash) const;

  // Writes the slots whose group may have this hash to `slots`; returns how many. Lock-free.
  size_t FindCandidates(uint64_t hash, SlotId* slots) const;

  // Writes all slots of the hash's two buckets to `slots`; returns how many.
  size_t FindNeighbours(uint64_t hash, SlotId* slots) const;

  // Enters a slot that is not in the index. What the caller wrote to the slot before, whoever finds
  // it will see. Returns false if both buckets are full.
  bool Insert(uint64_t hash, SlotId slot);

  // Returns whether the slot was there under this hash.
  bool Remove(uint64_t hash, SlotId slot);

  // Removes all slots from `begin` to before `end`; goes through the whole index.
  void RemoveRange(SlotId begin, SlotId end);

 private:
  struct alignas(64) Bucket {
    std::array<std::atomic<uint32_t>, kBucketEntries> entries;  // 0: empty
  };
  static_assert(sizeof(Bucket) == 64);

  Bucket* FirstBucket(uint64_t hash) const;
  Bucket* SecondBucket(uint64_t hash) const;
  uint32_t TagOf(uint64_t hash) const;  // in its place in an entry
  size_t FindInBucket(const Bucket& bucket, uint32_t tag, SlotId* slots) const;
  uint32_t SlotMask() const { return (1u << slot_bits_) - 1; }

  Bucket* buckets_ = nullptr;
  uint64_t bucket_count_ = 0;
  unsigned slot_bits_ = 0;  // lowest bits of an entry: slot + 1
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_RAM_GROUP_INDEX_H_
