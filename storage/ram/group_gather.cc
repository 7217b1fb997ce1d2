// GroupCache::Lookup: the hit path.
#include <algorithm>
#include <array>
#include <cassert>

#include "storage/ram/group_cache.h"
#include "storage/ram/group_hash.h"
#include "storage/ram/row_copy.h"

namespace engram::storage {

// A pipeline over the groups. Every step touches memory that an earlier one has prefetched some
// groups before, and the steps of different groups alternate, so that the few scattered reads of
// metadata hide behind the copying of rows:
//   Hash     hashes the ids                      prefetches their index buckets
//   Probe    matches tags, giving candidates     prefetches the candidates' ids
//   Resolve  compares ids, giving hits and misses
//   Copy     copies the hits' rows               prefetches the rows of hits further on
class GroupCache::Gather {
 public:
  Gather(const GroupCache& cache, absl::Span<const RowId> row_ids, std::byte* rows,
         std::vector<uint32_t>* misses)
      : cache_(cache),
        ids_(row_ids.data()),
        groups_(row_ids.size() / cache.group_size_),
        rows_(rows),
        misses_(misses),
        sampler_(cache.usage() == nullptr ? nullptr : &cache.usage()->sampler()),
        lag_(std::clamp(ItemsAhead(cache.group_bytes_), kMinLag, kMaxLag)),
        hits_ahead_(std::min(ItemsAhead(cache.group_bytes_), kMaxLag)) {}

  void Run() {
    const size_t probe_lag = lag_;
    const size_t resolve_lag = 2 * lag_;
    for (size_t i = 0; i < groups_ + resolve_lag; ++i) {
      if (i < groups_) Hash(i);
      if (i >= probe_lag && i - probe_lag < groups_) Probe(i - probe_lag);
      if (i >= resolve_lag) Resolve(i - resolve_lag);
      if (hits_ - copied_ > hits_ahead_) Copy();
    }
    while (copied_ < hits_) Copy();
    ReportHits();
  }

 private:
  static constexpr size_t kMinLag = 2;
  static constexpr size_t kMaxLag = 16;
  // Groups from Hash to Resolve; also hits from Resolve to Copy, and to their report.
  static constexpr size_t kInFlight = 32;
  static_assert(kInFlight >= 2 * kMaxLag && kInFlight > kMaxLag + 1);

  struct Search {
    uint64_t hash;
    size_t candidate_count;
    GroupIndex::Slots candidates;
  };
  struct Hit {
    const std::byte* from;
    size_t group;
  };

  const RowId* IdsOf(size_t group) const { return ids_ + group * cache_.group_size_; }

  void Hash(size_t group) {
    Search& search = searches_[group % kInFlight];
    search.hash = cache_.HashOf(IdsOf(group));
    cache_.index_.Prefetch(search.hash);
    if (sampler_ != nullptr && sampler_->Samples(search.hash)) NoteSampled(group, search.hash);
  }

  // Out of the loop: it is called for few groups.
  __attribute__((noinline)) void NoteSampled(size_t group, uint64_t hash) {
    cache_.usage()->OnSampled({.hash = hash, .order = cache_.orders_.IndexOf(*IdsOf(group))});
  }

  void Probe(size_t group) {
    Search& search = searches_[group % kInFlight];
    search.candidate_count = cache_.index_.FindCandidates(search.hash, search.candidates.data());
    for (size_t i = 0; i < search.candidate_count; ++i) {
      const std::byte* slot = cache_.pool_.Slot(search.candidates[i]);
      PrefetchLine(slot);
      PrefetchLine(slot + cache_.id_bytes_ - 1);
    }
  }

  void Resolve(size_t group) {
    const Search& search = searches_[group % kInFlight];
    for (size_t i = 0; i < search.candidate_count; ++i) {
      const SlotId slot = search.candidates[i];
      if (!cache_.SlotHolds(slot, IdsOf(group))) continue;
      hits_in_flight_[hits_ % kInFlight] = {cache_.pool_.Slot(slot) + cache_.id_bytes_, group};
      hit_slots_[hits_ % kInFlight] = slot;
      if (++hits_ % kInFlight == 0) ReportHits();
      return;
    }
    misses_->push_back(static_cast<uint32_t>(group));
  }

  void Copy() {
    const Hit& hit = hits_in_flight_[copied_ % kInFlight];
    const size_t ahead = std::min(copied_ + hits_ahead_, hits_ - 1);
    CopyAndPrefetch(rows_ + hit.group * cache_.group_bytes_, hit.from, cache_.group_bytes_,
                    hits_in_flight_[ahead % kInFlight].from);
    ++copied_;
  }

  void ReportHits() {
    const size_t count = hits_ - reported_;
    cache_.policy_->OnHit(absl::MakeConstSpan(hit_slots_).subspan(reported_ % kInFlight, count));
    reported_ = hits_;
  }

  const GroupCache& cache_;
  const RowId* const ids_;
  const size_t groups_;
  std::byte* const rows_;
  std::vector<uint32_t>* const misses_;
  const SpatialSampler* const sampler_;  // null: nobody wants to know
  const size_t lag_;                     // groups between two steps
  const size_t hits_ahead_;              // hits between the one copied and the one prefetched
  std::array<Search, kInFlight> searches_;
  std::array<Hit, kInFlight> hits_in_flight_;
  std::array<SlotId, kInFlight> hit_slots_;
  size_t hits_ = 0;      // found so far
  size_t copied_ = 0;    // of them
  size_t reported_ = 0;  // of them
};

void GroupCache::Lookup(absl::Span<const RowId> row_ids, std::byte* rows,
                        std::vector<uint32_t>* misses) {
  assert(row_ids.size() % group_size_ == 0);
  const size_t first_miss = misses->size();
  if (ready_.load(std::memory_order_acquire)) {
    const ReaderEpochs::Guard guard = pool_.Enter();
    Gather(*this, row_ids, rows, misses).Run();
  } else {
    for (size_t group = 0; group < row_ids.size() / group_size_; ++group) {
      misses->push_back(static_cast<uint32_t>(group));
      if (usage() == nullptr) continue;
      const GroupKey key = KeyOf(&row_ids[group * group_size_]);
      if (usage()->sampler().Samples(key.hash)) usage()->OnSampled(key);
    }
  }
  if (usage() != nullptr) NotePicked(row_ids, *misses, first_miss);
}

// A miss that repeats one before it needs no read, and counts as held.
void GroupCache::NotePicked(absl::Span<const RowId> row_ids, const std::vector<uint32_t>& misses,
                            size_t first_miss) const {
  const auto ids_of = [&](uint32_t group) {
    return row_ids.subspan(size_t{group} * group_size_, group_size_);
  };
  const auto begin = misses.begin() + static_cast<std::ptrdiff_t>(first_miss);
  const size_t groups = row_ids.size() / group_size_;
  const uint64_t first = usage()->CountUses(groups);
  for (uint64_t use = usage()->NextPick(first); use < first + groups;
       use = usage()->NextPick(use + 1)) {
    const auto group = static_cast<uint32_t>(use - first);
    const auto miss = std::lower_bound(begin, misses.end(), group);
    const bool held =
        miss == misses.end() || *miss != group ||
        std::any_of(begin, miss, [&](uint32_t other) { return ids_of(other) == ids_of(group); });
    usage()->OnPicked(KeyOf(ids_of(group).data()), held);
  }
}

}  // namespace engram::storage
