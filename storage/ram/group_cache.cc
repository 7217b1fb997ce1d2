#include "storage/ram/group_cache.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <thread>
#include <utility>

#include "storage/ram/group_hash.h"

namespace engram::storage {
namespace {

// Memory is taken and given back by a huge page, or by a part of a budget too small for that.
constexpr uint64_t kStepsPerBudget = 64;
// Admitted under the lock at once: it takes some 100 us.
constexpr size_t kGroupsOfATurn = 64;
// A thread that waits for its turn wakes up sooner.
constexpr int kMostYields = 1000;

uint64_t SlotBytes(const TableSpec& spec) {
  const uint64_t bytes = spec.group_size * sizeof(RowId) + spec.group_bytes();
  return (bytes + sizeof(SlotId) - 1) / sizeof(SlotId) * sizeof(SlotId);
}

}  // namespace

double GroupCache::BytesPerGroup(const TableSpec& spec, const EvictionPolicy& policy) {
  const uint64_t metadata_bytes = GroupIndex::BytesFor(kMaxSlots) + policy.StateBytes(kMaxSlots);
  return static_cast<double>(SlotBytes(spec)) + static_cast<double>(metadata_bytes) / kMaxSlots;
}

GroupCache::Geometry GroupCache::GeometryFor(const TableSpec& spec, const EvictionPolicy& policy,
                                             uint64_t budget) {
  Geometry geometry;
  geometry.slot_bytes = SlotBytes(spec);
  geometry.step_bytes = std::clamp(budget / kStepsPerBudget / kSmallPageBytes * kSmallPageBytes,
                                   kSmallPageBytes, kHugePageBytes);
  const uint64_t most = std::min<uint64_t>({budget / geometry.slot_bytes, spec.rows, kMaxSlots});
  const auto metadata_for = [&policy](uint64_t slots) {
    return GroupIndex::BytesFor(static_cast<uint32_t>(slots)) + policy.StateBytes(slots);
  };
  // The slots that fit beside the metadata that they need.
  geometry.max_slots = static_cast<uint32_t>(std::min(
      static_cast<double>(most), static_cast<double>(budget) / BytesPerGroup(spec, policy)));
  geometry.index_bytes = GroupIndex::BytesFor(geometry.max_slots);
  geometry.metadata_bytes = metadata_for(geometry.max_slots);
  return geometry;
}

GroupCache::GroupCache(const TableSpec& spec, std::shared_ptr<RamShares> shares,
                       std::unique_ptr<EvictionPolicy> policy, const GroupCacheOptions& options,
                       LowerTier* lower)
    : table_bytes_(spec.table_bytes()),
      group_size_(spec.group_size),
      id_bytes_(spec.group_size * sizeof(RowId)),
      group_bytes_(spec.group_bytes()),
      orders_(spec),
      options_(options),
      geometry_(GeometryFor(spec, *policy, shares->budget()->limit_bytes())),
      shares_(std::move(shares)),
      policy_(std::move(policy)),
      lower_(lower),
      metadata_(shares_->budget(), geometry_.metadata_bytes),
      pool_(shares_->budget(), geometry_.slot_bytes, geometry_.max_slots, geometry_.step_bytes) {}

GroupCache::~GroupCache() { shares_->Leave(this); }

uint64_t GroupCache::HashOf(const RowId* ids) const {
  return HashGroup(ids, id_bytes_, options_.hash_seed) & options_.hash_mask;
}

GroupKey GroupCache::KeyOf(const RowId* ids) const {
  return {.hash = HashOf(ids), .order = orders_.IndexOf(ids[0])};
}

bool GroupCache::SlotHolds(SlotId slot, const RowId* ids) const {
  return std::memcmp(pool_.Slot(slot), ids, id_bytes_) == 0;
}

std::optional<SlotId> GroupCache::Find(const RowId* ids, const GroupKey& key) const {
  GroupIndex::Slots slots;
  const auto end = slots.begin() + index_.FindCandidates(key.hash, slots.data());
  const auto slot =
      std::find_if(slots.begin(), end, [&](SlotId found) { return SlotHolds(found, ids); });
  if (slot == end) return std::nullopt;
  return *slot;
}

bool GroupCache::FindHeld(const Offer& offer, uint32_t group, const GroupKey& key) {
  const std::optional<SlotId> slot = Find(IdsOf(offer, group), key);
  if (!slot.has_value()) return false;
  if (offer.pasts == nullptr) {
    policy_->OnHit({*slot});
  } else if (PastIn(offer, group).pinned) {
    SetPinned(*slot, true);
  }
  return true;
}

RamTierStats GroupCache::Stats() const {
  return {.rows = groups_.load(std::memory_order_relaxed) * group_size_,
          .bytes = held_bytes(),
          .admissions = admissions_.load(std::memory_order_relaxed),
          .evictions = evictions_.load(std::memory_order_relaxed),
          .refusals = refusals_.load(std::memory_order_relaxed),
          .skipped = skipped_.load(std::memory_order_relaxed),
          .pinned = policy_->pinned(),
          .pin_changes = pin_changes_.load(std::memory_order_relaxed)};
}

void GroupCache::Admit(absl::Span<const RowId> row_ids, const std::byte* rows,
                       absl::Span<const uint32_t> groups) {
  if (geometry_.max_slots == 0 || groups.empty()) return;
  assert((size_t{groups.back()} + 1) * group_size_ <= row_ids.size());
  Join();
  uint64_t lacking_bytes = 0;
  for (size_t at = 0; at < groups.size(); at += kGroupsOfATurn) {
    if (at > 0) LetOthersAdmit();
    waiting_to_admit_.fetch_add(1, std::memory_order_relaxed);
    absl::MutexLock lock(&mutex_);
    waiting_to_admit_.fetch_sub(1, std::memory_order_relaxed);
    const auto turn = AdmitLocked({row_ids.data(), rows}, groups.subspan(at, kGroupsOfATurn));
    lacking_bytes = std::max(lacking_bytes, turn.lacking_bytes);
  }
  if (lacking_bytes > 0) shares_->Ask(this, lacking_bytes);
}

void GroupCache::LetOthersAdmit() const {
  // A lock that is taken again at once would hardly ever be had by them.
  for (int i = 0; i < kMostYields && waiting_to_admit_.load(std::memory_order_relaxed) > 0; ++i) {
    std::this_thread::yield();
  }
}

void GroupCache::TakePart() {
  if (geometry_.max_slots > 0) Join();
}

void GroupCache::Join() {
  if (joined_.load(std::memory_order_acquire)) return;
  shares_->Join(this, table_bytes_, geometry_.metadata_bytes + geometry_.step_bytes,
                options_.fixed_share);
  joined_.store(true, std::memory_order_release);
}

GroupCache::Outcome GroupCache::AdmitLocked(const Offer& offer, absl::Span<const uint32_t> groups) {
  Outcome outcome;
  if (!SetUpMetadata()) {
    if (offer.may_evict) skipped_.fetch_add(groups.size(), std::memory_order_relaxed);
    outcome.lacking_bytes = geometry_.metadata_bytes + geometry_.step_bytes;
    return outcome;
  }
  std::vector<Waiting> waiting;
  Reclaim();
  for (const uint32_t group : groups) {
    const GroupKey key = KeyOf(IdsOf(offer, group));
    if (FindHeld(offer, group, key)) {
      ++outcome.held;
    } else if (const auto slot = TakeFreeSlot(offer.within_fair_share, &outcome.lacking_bytes);
               slot.has_value()) {
      Insert(*slot, offer, group, key);
    } else if (!offer.may_evict) {
      break;  // without a victim none can be waiting
    } else if (pool_.retired() >= pool_.retired_limit()) {
      skipped_.fetch_add(1, std::memory_order_relaxed);
    } else if (EvictFor(offer, group, key)) {
      waiting.push_back({group, key});
      if (pool_.retired() >= pool_.retired_limit()) InsertWaiting(offer, &waiting);
    }
    ++outcome.done;
  }
  InsertWaiting(offer, &waiting);
  UpdateHeld();
  return outcome;
}

void GroupCache::InsertWaiting(const Offer& offer, std::vector<Waiting>* waiting) {
  Reclaim();
  for (const auto& [group, key] : *waiting) {
    if (FindHeld(offer, group, key)) continue;  // it was offered twice
    if (const auto slot = pool_.Take(); slot.has_value()) {
      Insert(*slot, offer, group, key);
    } else {
      skipped_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  waiting->clear();
}

bool GroupCache::SetUpMetadata() {
  if (ready_.load(std::memory_order_relaxed)) return true;
  const uint64_t bytes = geometry_.metadata_bytes;
  if (!metadata_.GrowTo(bytes, shares_->Headroom(*this, bytes))) return false;
  index_ = GroupIndex(metadata_.data(), geometry_.max_slots);
  policy_->Init(metadata_.data() + geometry_.index_bytes, geometry_.max_slots);
  UpdateHeld();
  ready_.store(true, std::memory_order_release);
  return true;
}

std::optional<SlotId> GroupCache::TakeFreeSlot(bool within_fair_share, uint64_t* lacking_bytes) {
  std::optional<SlotId> slot = pool_.Take();
  const uint64_t growth = pool_.NextGrowth();
  if (slot.has_value() || growth == 0 || pool_.shrinking()) return slot;
  if (!pool_.Grow(shares_->Headroom(*this, growth, within_fair_share))) {
    *lacking_bytes = growth;
    return std::nullopt;
  }
  UpdateHeld();
  return pool_.Take();
}

bool GroupCache::EvictFor(const Offer& offer, uint32_t group, const GroupKey& key) {
  if (groups_.load(std::memory_order_relaxed) == 0) return false;
  const std::optional<SlotId> victim = offer.pasts == nullptr
                                           ? policy_->PickVictim(key)
                                           : policy_->PickVictimFor(key, PastIn(offer, group));
  if (!victim.has_value()) {
    refusals_.fetch_add(1, std::memory_order_relaxed);
    if (lower_ != nullptr) {
      lower_->OnLeave(key, policy_->UsesOf(key), IdsOf(offer, group), RowsOf(offer, group));
    }
    return false;
  }
  [[maybe_unused]] const bool evicted = Evict(*victim);
  assert(evicted);
  return true;
}

void GroupCache::Insert(SlotId slot, const Offer& offer, uint32_t group, const GroupKey& key) {
  std::byte* const memory = pool_.Slot(slot);
  std::memcpy(memory, IdsOf(offer, group), id_bytes_);
  std::memcpy(memory + id_bytes_, RowsOf(offer, group), group_bytes_);
  if (!Enter(slot, key)) {
    pool_.Retire(slot);
    skipped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  if (offer.pasts == nullptr) {
    policy_->OnInsert(slot, key);
  } else {
    policy_->OnRestore(slot, key, PastIn(offer, group));
  }
  if (lower_ != nullptr) {
    lower_->OnEnter(key, offer.pasts == nullptr ? uint8_t{0} : offer.pasts[group].uses);
  }
  groups_.fetch_add(1, std::memory_order_relaxed);
  admissions_.fetch_add(1, std::memory_order_relaxed);
}

bool GroupCache::Enter(SlotId slot, const GroupKey& key) {
  if (index_.Insert(key.hash, slot)) return true;
  GroupIndex::Slots neighbours;
  const size_t found = index_.FindNeighbours(key.hash, neighbours.data());
  const auto victim = policy_->PickVictimAmong(absl::MakeConstSpan(neighbours.data(), found));
  if (!victim.has_value()) return false;
  Evict(*victim);
  return index_.Insert(key.hash, slot);
}

bool GroupCache::Evict(SlotId slot) {
  const auto* ids = reinterpret_cast<const RowId*>(pool_.Slot(slot));
  const GroupKey key = KeyOf(ids);
  if (!index_.Remove(key.hash, slot)) return false;
  if (lower_ != nullptr) {
    lower_->OnLeave(key, policy_->UsesOf(slot), ids, pool_.Slot(slot) + id_bytes_);
  }
  policy_->OnRemove(slot, key);
  pool_.Retire(slot);
  groups_.fetch_sub(1, std::memory_order_relaxed);
  evictions_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

RamShareShape GroupCache::Shape() const {
  return {.overhead_bytes = geometry_.metadata_bytes,
          .bytes_per_group = static_cast<double>(geometry_.slot_bytes),
          .step_bytes = geometry_.step_bytes,
          .most_bytes = geometry_.metadata_bytes + geometry_.slot_bytes * geometry_.max_slots};
}

void GroupCache::UpdateHeld() { shares_->SetHeld(this, metadata_.bytes() + pool_.bytes()); }

}  // namespace engram::storage
