#include "storage/ram/group_cache.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "storage/ram/group_hash.h"

namespace engram::storage {
namespace {

// Memory is taken and given back by a huge page, or by a part of a budget too small for that.
constexpr uint64_t kStepsPerBudget = 64;

}  // namespace

GroupCache::Geometry GroupCache::GeometryFor(const TableSpec& spec, const EvictionPolicy& policy,
                                             uint64_t budget) {
  const auto round_up = [](uint64_t bytes, uint64_t unit) {
    return (bytes + unit - 1) / unit * unit;
  };
  Geometry geometry;
  geometry.slot_bytes =
      round_up(spec.group_size * sizeof(RowId) + spec.group_bytes(), sizeof(SlotId));
  geometry.step_bytes = std::clamp(budget / kStepsPerBudget / kSmallPageBytes * kSmallPageBytes,
                                   kSmallPageBytes, kHugePageBytes);
  const uint64_t most = std::min<uint64_t>({budget / geometry.slot_bytes, spec.rows, kMaxSlots});
  const auto metadata_for = [&policy](uint64_t slots) {
    return GroupIndex::BytesFor(static_cast<uint32_t>(slots)) + slots * policy.bytes_per_slot();
  };
  // The slots that fit beside the metadata that they need.
  const double bytes_each = static_cast<double>(geometry.slot_bytes) +
                            static_cast<double>(metadata_for(kMaxSlots)) / kMaxSlots;
  geometry.max_slots = static_cast<uint32_t>(
      std::min(static_cast<double>(most), static_cast<double>(budget) / bytes_each));
  geometry.index_bytes = GroupIndex::BytesFor(geometry.max_slots);
  geometry.metadata_bytes = metadata_for(geometry.max_slots);
  return geometry;
}

GroupCache::GroupCache(const TableSpec& spec, std::shared_ptr<RamShares> shares,
                       std::unique_ptr<EvictionPolicy> policy, const GroupCacheOptions& options)
    : table_bytes_(spec.table_bytes()),
      group_size_(spec.group_size),
      id_bytes_(spec.group_size * sizeof(RowId)),
      group_bytes_(spec.group_bytes()),
      options_(options),
      geometry_(GeometryFor(spec, *policy, shares->budget()->limit_bytes())),
      shares_(std::move(shares)),
      policy_(std::move(policy)),
      metadata_(shares_->budget(), geometry_.metadata_bytes),
      pool_(shares_->budget(), geometry_.slot_bytes, geometry_.max_slots, geometry_.step_bytes) {}

GroupCache::~GroupCache() { shares_->Leave(this); }

uint64_t GroupCache::HashOf(const RowId* ids) const {
  return HashGroup(ids, id_bytes_, options_.hash_seed) & options_.hash_mask;
}

bool GroupCache::SlotHolds(SlotId slot, const RowId* ids) const {
  return std::memcmp(pool_.Slot(slot), ids, id_bytes_) == 0;
}

bool GroupCache::Contains(const RowId* ids, uint64_t hash) const {
  GroupIndex::Slots slots;
  const size_t found = index_.FindCandidates(hash, slots.data());
  return std::any_of(slots.begin(), slots.begin() + found,
                     [&](SlotId slot) { return SlotHolds(slot, ids); });
}

RamTierStats GroupCache::Stats() const {
  return {.rows = groups_.load(std::memory_order_relaxed) * group_size_,
          .bytes = held_bytes(),
          .admissions = admissions_.load(std::memory_order_relaxed),
          .evictions = evictions_.load(std::memory_order_relaxed),
          .skipped = skipped_.load(std::memory_order_relaxed)};
}

void GroupCache::Admit(absl::Span<const RowId> row_ids, const std::byte* rows,
                       absl::Span<const uint32_t> groups) {
  if (geometry_.max_slots == 0 || groups.empty()) return;
  if (!joined_.load(std::memory_order_acquire)) {
    shares_->Join(this, table_bytes_, geometry_.metadata_bytes + geometry_.step_bytes);
    joined_.store(true, std::memory_order_release);
  }
  uint64_t lacking_bytes;
  {
    absl::MutexLock lock(&mutex_);
    lacking_bytes = AdmitLocked(row_ids, rows, groups);
  }
  if (lacking_bytes > 0) shares_->Ask(this, lacking_bytes);
}

uint64_t GroupCache::AdmitLocked(absl::Span<const RowId> row_ids, const std::byte* rows,
                                 absl::Span<const uint32_t> groups) {
  if (!SetUpMetadata()) {
    skipped_.fetch_add(groups.size(), std::memory_order_relaxed);
    return geometry_.metadata_bytes + geometry_.step_bytes;
  }
  pool_.Reclaim();
  uint64_t lacking_bytes = 0;
  for (size_t i = 0; i < groups.size(); ++i) {
    assert((size_t{groups[i]} + 1) * group_size_ <= row_ids.size());
    const RowId* ids = row_ids.data() + size_t{groups[i]} * group_size_;
    const uint64_t hash = HashOf(ids);
    if (Contains(ids, hash) || !policy_->ShouldAdmit(hash)) continue;
    std::optional<SlotId> slot = pool_.Take();
    if (!slot.has_value()) slot = MakeRoom(groups.size() - i, &lacking_bytes);
    if (slot.has_value()) {
      Insert(*slot, ids, hash, rows + size_t{groups[i]} * group_bytes_);
    } else {
      skipped_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  UpdateHeld();
  return lacking_bytes;
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

std::optional<SlotId> GroupCache::MakeRoom(size_t wanted, uint64_t* lacking_bytes) {
  const uint64_t growth = pool_.NextGrowth();
  if (growth > 0 && !pool_.shrinking()) {
    if (pool_.Grow(shares_->Headroom(*this, growth))) {
      UpdateHeld();
      return pool_.Take();
    }
    *lacking_bytes = growth;
  }
  // Evicting for the whole batch at once makes one wait for readers serve them all.
  const size_t most = std::min(wanted, pool_.retired_limit());
  while (pool_.retired() < most && groups_.load(std::memory_order_relaxed) > 0) {
    [[maybe_unused]] const bool evicted = Evict(policy_->PickVictim());
    assert(evicted);
  }
  pool_.Reclaim();
  return pool_.Take();
}

void GroupCache::Insert(SlotId slot, const RowId* ids, uint64_t hash, const std::byte* rows) {
  std::byte* const memory = pool_.Slot(slot);
  std::memcpy(memory, ids, id_bytes_);
  std::memcpy(memory + id_bytes_, rows, group_bytes_);
  if (!index_.Insert(hash, slot)) {
    GroupIndex::Slots neighbours;
    const size_t found = index_.FindNeighbours(hash, neighbours.data());
    Evict(policy_->PickVictimAmong(absl::MakeConstSpan(neighbours.data(), found)));
    [[maybe_unused]] const bool inserted = index_.Insert(hash, slot);
    assert(inserted);
  }
  policy_->OnInsert(slot, hash);
  groups_.fetch_add(1, std::memory_order_relaxed);
  admissions_.fetch_add(1, std::memory_order_relaxed);
}

bool GroupCache::Evict(SlotId slot) {
  const auto* ids = reinterpret_cast<const RowId*>(pool_.Slot(slot));
  if (!index_.Remove(HashOf(ids), slot)) return false;
  policy_->OnRemove(slot);
  pool_.Retire(slot);
  groups_.fetch_sub(1, std::memory_order_relaxed);
  evictions_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void GroupCache::GiveBack(uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  pool_.Reclaim();
  if (!pool_.shrinking()) {
    const SlotId end = pool_.end();
    for (SlotId slot = pool_.BeginShrink(bytes); slot < end; ++slot) Evict(slot);
    pool_.Reclaim();
  }
  UpdateHeld();
}

void GroupCache::UpdateHeld() { shares_->SetHeld(this, metadata_.bytes() + pool_.bytes()); }

}  // namespace engram::storage
