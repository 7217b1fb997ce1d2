#include "storage/placement/ghost_table.h"

#include <algorithm>

namespace engram::storage {
namespace {

constexpr unsigned kGapBits = 5;
constexpr unsigned kMaxGap = (1U << kGapBits) - 1;
constexpr unsigned kMaxOrder = 7;

uint16_t TagOf(uint64_t hash) { return static_cast<uint16_t>(hash); }

}  // namespace

uint64_t GhostTable::BytesFor(uint64_t groups) {
  return (groups + kBucketEntries - 1) / kBucketEntries * kBucketEntries * sizeof(Entry);
}

GhostTable::GhostTable(std::byte* memory, uint64_t groups)
    : entries_(reinterpret_cast<Entry*>(memory)),
      buckets_(BytesFor(groups) / sizeof(Entry) / kBucketEntries) {}

GhostTable::Entry* GhostTable::BucketOf(uint64_t hash) const {
  const auto bucket = static_cast<uint64_t>(static_cast<unsigned __int128>(hash) * buckets_ >> 64);
  return entries_ + bucket * kBucketEntries;
}

GhostTable::Entry* GhostTable::EntryOf(uint64_t hash) const {
  if (buckets_ == 0) return nullptr;
  Entry* const bucket = BucketOf(hash);
  Entry* const end = bucket + kBucketEntries;
  Entry* const entry = std::find_if(bucket, end, [tag = TagOf(hash)](const Entry& candidate) {
    return candidate.uses > 0 && candidate.tag == tag;
  });
  return entry == end ? nullptr : entry;
}

GroupHistory GhostTable::HistoryIn(const Entry& entry) {
  return {.last_use = entry.last_use,
          .uses = entry.uses,
          .gap = static_cast<uint8_t>(entry.rest & kMaxGap),
          .order = static_cast<uint8_t>(entry.rest >> kGapBits)};
}

void GhostTable::Put(uint64_t hash, const GroupHistory& history, const ReuseModel& model,
                     uint32_t now) {
  if (buckets_ == 0) return;
  Entry* place = EntryOf(hash);
  if (place == nullptr) {
    Entry* const bucket = BucketOf(hash);
    const auto worth = [&](const Entry& entry) {
      return entry.uses == 0 ? -1 : model.Rank(HistoryIn(entry), now);
    };
    place = std::min_element(bucket, bucket + kBucketEntries,
                             [&](const Entry& a, const Entry& b) { return worth(a) < worth(b); });
  }
  *place = {.last_use = history.last_use,
            .tag = TagOf(hash),
            .uses = history.uses,
            .rest = static_cast<uint8_t>(std::min<unsigned>(history.order, kMaxOrder) << kGapBits |
                                         std::min<unsigned>(history.gap, kMaxGap))};
}

std::optional<GroupHistory> GhostTable::Find(uint64_t hash) const {
  const Entry* const entry = EntryOf(hash);
  if (entry == nullptr) return std::nullopt;
  return HistoryIn(*entry);
}

void GhostTable::Remove(uint64_t hash) {
  if (Entry* const entry = EntryOf(hash); entry != nullptr) entry->uses = 0;
}

void GhostTable::Prefetch(uint64_t place) const { __builtin_prefetch(entries_ + place); }

std::optional<GroupHistory> GhostTable::At(uint64_t place) const {
  const Entry& entry = entries_[place];
  if (entry.uses == 0) return std::nullopt;
  return HistoryIn(entry);
}

}  // namespace engram::storage
