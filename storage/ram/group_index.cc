#include "storage/ram/group_index.h"

#include <algorithm>
#include <bit>
#include <cassert>

#include "storage/ram/row_copy.h"

// ThreadSanitizer cannot know that the vector comparison is only a hint.
#if defined(__AVX2__) && !defined(__SANITIZE_THREAD__)
#include <immintrin.h>
#define ENGRAM_VECTOR_MATCH 1
#endif

namespace engram::storage {
namespace {

// 14.4 of 16 entries: two choices keep buckets even enough that few inserts find both full.
constexpr uint64_t kEntriesPerBucketTimes10 = 144;
// A page of buckets; both buckets of a group are in the same one.
constexpr uint64_t kPageBuckets = 64;

// Entries equal to `value` in the bits of `mask`, one bit each. A hint: it may miss, or name, an
// entry that is changing just now.
uint32_t MatchEntries(const std::atomic<uint32_t>* entries, uint32_t mask, uint32_t value) {
#ifdef ENGRAM_VECTOR_MATCH
  const auto* vectors = reinterpret_cast<const __m256i*>(entries);
  const __m256i masks = _mm256_set1_epi32(static_cast<int>(mask));
  const __m256i values = _mm256_set1_epi32(static_cast<int>(value));
  const auto match = [&](const __m256i* vector) {
    const __m256i masked = _mm256_and_si256(_mm256_load_si256(vector), masks);
    const __m256i equal = _mm256_cmpeq_epi32(masked, values);
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(equal)));
  };
  return match(vectors) | match(vectors + 1) << 8;
#else
  uint32_t matches = 0;
  for (unsigned i = 0; i < GroupIndex::kBucketEntries; ++i) {
    const uint32_t entry = entries[i].load(std::memory_order_relaxed);
    matches |= static_cast<uint32_t>((entry & mask) == value) << i;
  }
  return matches;
#endif
}

uint64_t BucketsFor(uint32_t slots) {
  constexpr uint64_t kEntriesPerPageTimes10 = kPageBuckets * kEntriesPerBucketTimes10;
  const uint64_t pages =
      (uint64_t{slots} * 10 + kEntriesPerPageTimes10 - 1) / kEntriesPerPageTimes10;
  return std::max<uint64_t>(1, pages) * kPageBuckets;
}

}  // namespace

uint64_t GroupIndex::BytesFor(uint32_t slots) { return BucketsFor(slots) * sizeof(Bucket); }

GroupIndex::GroupIndex(std::byte* memory, uint32_t slots)
    : buckets_(reinterpret_cast<Bucket*>(memory)),  // zeros: empty buckets
      bucket_count_(BucketsFor(slots)),
      slot_bits_(static_cast<unsigned>(std::bit_width(slots))) {
  assert(slots <= kMaxSlots);
}

// The first bucket comes from the upper end of the hash's upper half, the tag from its lower end:
// 32 bits are enough for both. The lower half says which other bucket of the page is the second.
GroupIndex::Bucket* GroupIndex::FirstBucket(uint64_t hash) const {
  return buckets_ + (((hash >> 32) * bucket_count_) >> 32);
}

GroupIndex::Bucket* GroupIndex::SecondBucket(uint64_t hash) const {
  const uint64_t first = ((hash >> 32) * bucket_count_) >> 32;
  return buckets_ + (first ^ (1 + (((hash & 0xFFFFFFFFu) * (kPageBuckets - 1)) >> 32)));
}

uint32_t GroupIndex::TagOf(uint64_t hash) const {
  return static_cast<uint32_t>(hash >> 32) << slot_bits_;
}

void GroupIndex::Prefetch(uint64_t hash) const {
  PrefetchLine(reinterpret_cast<const std::byte*>(FirstBucket(hash)));
  PrefetchLine(reinterpret_cast<const std::byte*>(SecondBucket(hash)));
}

size_t GroupIndex::FindInBucket(const Bucket& bucket, uint32_t tag, SlotId* slots) const {
  size_t found = 0;
  uint32_t matches = MatchEntries(bucket.entries.data(), ~SlotMask(), tag);
  for (; matches != 0; matches &= matches - 1) {
    const auto i = static_cast<unsigned>(std::countr_zero(matches));
    const uint32_t entry = bucket.entries[i].load(std::memory_order_acquire);
    const uint32_t slot_plus_1 = entry & SlotMask();
    if ((entry & ~SlotMask()) == tag && slot_plus_1 != 0) slots[found++] = slot_plus_1 - 1;
  }
  return found;
}

size_t GroupIndex::FindCandidates(uint64_t hash, SlotId* slots) const {
  const uint32_t tag = TagOf(hash);
  const size_t found = FindInBucket(*FirstBucket(hash), tag, slots);
  return found + FindInBucket(*SecondBucket(hash), tag, slots + found);
}

size_t GroupIndex::FindNeighbours(uint64_t hash, SlotId* slots) const {
  size_t found = 0;
  for (const Bucket* bucket : {FirstBucket(hash), SecondBucket(hash)}) {
    for (const auto& entry : bucket->entries) {
      const uint32_t value = entry.load(std::memory_order_relaxed);
      if (value != 0) slots[found++] = (value & SlotMask()) - 1;
    }
  }
  return found;
}

bool GroupIndex::Insert(uint64_t hash, SlotId slot) {
  Bucket* first = FirstBucket(hash);
  Bucket* second = SecondBucket(hash);
  const uint32_t first_empty = MatchEntries(first->entries.data(), ~0u, 0);
  const uint32_t second_empty = MatchEntries(second->entries.data(), ~0u, 0);
  const bool take_second = std::popcount(second_empty) > std::popcount(first_empty);
  const uint32_t empty = take_second ? second_empty : first_empty;
  if (empty == 0) return false;
  const auto i = static_cast<unsigned>(std::countr_zero(empty));
  (take_second ? second : first)
      ->entries[i]
      .store(TagOf(hash) | (slot + 1), std::memory_order_release);
  return true;
}

bool GroupIndex::Remove(uint64_t hash, SlotId slot) {
  const uint32_t entry = TagOf(hash) | (slot + 1);
  for (Bucket* bucket : {FirstBucket(hash), SecondBucket(hash)}) {
    const uint32_t matches = MatchEntries(bucket->entries.data(), ~0u, entry);
    if (matches == 0) continue;
    const auto i = static_cast<unsigned>(std::countr_zero(matches));
    bucket->entries[i].store(0, std::memory_order_relaxed);
    return true;
  }
  return false;
}

void GroupIndex::RemoveRange(SlotId begin, SlotId end) {
  for (Bucket* bucket = buckets_; bucket != buckets_ + bucket_count_; ++bucket) {
    for (auto& entry : bucket->entries) {
      const uint32_t slot_plus_1 = entry.load(std::memory_order_relaxed) & SlotMask();
      if (slot_plus_1 > begin && slot_plus_1 <= end) entry.store(0, std::memory_order_relaxed);
    }
  }
}

}  // namespace engram::storage
