#include "storage/warm/warm_tier.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "spdlog/spdlog.h"
#include "storage/cold/page_reader.h"
#include "storage/ram/group_hash.h"

namespace engram::storage {
namespace {

// Parts of the RAM budget that the index and the two segments in memory may take.
constexpr uint64_t kIndexPart = 8;
constexpr uint64_t kSegmentsPart = 16;
constexpr uint64_t kMinSegmentBytes = 64 << 10;

uint64_t HalfBytes(const WarmLayout& layout) {
  return uint64_t{layout.segment_slots()} * layout.record_bytes();
}

// The index, and two segments.
uint64_t MemoryBytesOf(const WarmLayout& layout) {
  return WarmIndex::BytesFor(layout.slots()) + 2 * HalfBytes(layout);
}

// Makes segments smaller, and then the tier, until there is RAM enough for them.
std::pair<WarmTierOptions, WarmLayout> FitIntoRam(const TableSpec& spec, uint64_t ram_budget_bytes,
                                                  WarmTierOptions options) {
  WarmLayout layout(spec, options.disk_bytes, options.segment_bytes);
  while (layout.segments() > 0 && 2 * HalfBytes(layout) > ram_budget_bytes / kSegmentsPart &&
         options.segment_bytes > kMinSegmentBytes) {
    options.segment_bytes /= 2;
    layout = WarmLayout(spec, options.disk_bytes, options.segment_bytes);
  }
  while (layout.segments() > 0 &&
         WarmIndex::BytesFor(layout.slots()) > ram_budget_bytes / kIndexPart) {
    options.disk_bytes -= options.disk_bytes / kIndexPart;
    layout = WarmLayout(spec, options.disk_bytes, options.segment_bytes);
  }
  return {options, layout};
}

}  // namespace

// Copies rows of records that hold the group that was asked for.
class WarmTier::GroupCopier final : public RowSink {
 public:
  GroupCopier(const WarmLayout& layout, absl::Span<WarmRead> reads)
      : layout_(layout), reads_(reads) {}

  void Take(const RowRead& read, const std::byte* record) override {
    WarmRead& group = reads_[read.destination];
    if (std::memcmp(record, group.ids, layout_.id_bytes()) != 0) return;
    std::memcpy(group.rows, record + layout_.id_bytes(), layout_.group_bytes());
    group.found = true;
  }
  absl::Status Miss(absl::Span<const RowRead> /*reads*/, absl::Status /*why*/) override {
    return absl::OkStatus();
  }

 private:
  const WarmLayout& layout_;
  const absl::Span<WarmRead> reads_;
};

absl::StatusOr<std::unique_ptr<WarmTier>> WarmTier::Create(const TableSpec& spec,
                                                           const std::shared_ptr<ByteBudget>& disk,
                                                           const std::shared_ptr<ByteBudget>& ram,
                                                           const WarmTierOptions& options,
                                                           OpenStore open_store) {
  const auto [fitting, layout] = FitIntoRam(spec, ram->limit_bytes(), options);
  if (layout.segments() == 0) return nullptr;
  auto tier = absl::WrapUnique(new WarmTier(spec, disk, ram, fitting, layout, options.disk_bytes));
  if (!tier->TakeMemory()) {
    return absl::UnavailableError("too little is left of the budgets of disk and RAM");
  }
  if (fitting.disk_bytes < options.disk_bytes) {
    spdlog::warn(
        "the warm tier gets {} bytes of disk, not {}: its index would take more than 1/{} "
        "of the RAM budget",
        fitting.disk_bytes, options.disk_bytes, kIndexPart);
  }
  auto store = open_store(layout.shape());
  if (!store.ok()) return store.status();
  tier->Use(*std::move(store));
  return tier;
}

uint64_t WarmTier::MemoryBytes(const TableSpec& spec, uint64_t ram_budget_bytes,
                               const WarmTierOptions& options) {
  const WarmLayout layout = FitIntoRam(spec, ram_budget_bytes, options).second;
  return layout.segments() == 0 ? 0 : HugeRegion::BytesTaken(MemoryBytesOf(layout));
}

WarmTier::WarmTier(const TableSpec& spec, const std::shared_ptr<ByteBudget>& disk,
                   const std::shared_ptr<ByteBudget>& ram, const WarmTierOptions& options,
                   const WarmLayout& layout, uint64_t offered_bytes)
    : disk_(disk),
      layout_(layout),
      options_(options),
      offered_bytes_(offered_bytes),
      orders_(spec),
      half_bytes_(HalfBytes(layout)),
      memory_(ram, MemoryBytesOf(layout)),
      future_(orders_.count()) {}

WarmTier::~WarmTier() {
  store_.reset();  // with what files it still has open
  if (disk_reserved_) disk_->Release(options_.disk_bytes);
}

bool WarmTier::TakeMemory() {
  disk_reserved_ = disk_->TryReserve(options_.disk_bytes);
  if (!disk_reserved_ || !memory_.GrowTo(MemoryBytesOf(layout_))) return false;
  index_ = std::make_unique<WarmIndex>(memory_.data(), layout_.slots());
  halves_ = memory_.data() + WarmIndex::BytesFor(layout_.slots());
  return true;
}

void WarmTier::Use(std::unique_ptr<SegmentStore> store) {
  store_ = std::move(store);
  absl::MutexLock lock(&mutex_);
  found_segments_ = store_->Present();
  for (uint64_t segment = layout_.segments(); segment-- > 0;) {
    if (!std::binary_search(found_segments_.begin(), found_segments_.end(), segment)) {
      free_segments_.push_back(segment);
    }
  }
}

uint64_t WarmTier::HashOf(const RowId* ids) const {
  return HashGroup(ids, layout_.id_bytes(), options_.hash_seed);
}

std::optional<SlotId> WarmTier::Find(const RowId* ids) const { return index_->Find(HashOf(ids)); }

absl::Status WarmTier::Read(absl::Span<WarmRead> reads, const ReadTerms& terms,
                            ColdReadStats* stats) {
  std::vector<RowRead> records;
  records.reserve(reads.size());
  for (uint32_t i = 0; i < reads.size(); ++i) records.push_back({reads[i].slot, i});
  GroupCopier copier(layout_, reads);
  return store_->Read(records, terms, &copier, stats);
}

void WarmTier::OnEnter(const GroupKey& group, uint8_t told_uses) {
  absl::MutexLock lock(&mutex_);
  // While the cache holds it, the record is of no use: it is the first to go.
  const std::optional<SlotId> slot = index_->Find(group.hash);
  if (!slot.has_value() || !index_->holds(*slot)) {
    // The most used ones may never leave; without them, use would seem to end early.
    future_.Add(static_cast<uint8_t>(group.order), 0, told_uses);
    return;
  }
  WarmUse use = index_->use(*slot);
  use.in_ram = true;
  index_->Update(*slot, use);
}

void WarmTier::OnLeave(const GroupKey& group, uint8_t uses, const RowId* ids,
                       const std::byte* rows) {
  absl::MutexLock lock(&mutex_);
  ++uses_since_aged_;
  ++uses_since_refreshed_;
  const auto used_again = [&](const WarmUse& before) {
    const auto one_more = static_cast<uint8_t>(before.uses + (before.uses < 255 ? 1 : 0));
    const WarmUse after = {.uses = std::max(uses, one_more), .order = before.order};
    future_.Add(before.order, before.uses, after.uses);
    return after;
  };
  if (const auto slot = index_->Find(group.hash); slot.has_value() && index_->holds(*slot)) {
    index_->Update(*slot, used_again(index_->use(*slot)));
    return;
  }
  if (const auto found = pending_index_.find(group.hash); found != pending_index_.end()) {
    WarmUse& use = pending_[found->second].use;
    use = used_again(use);
    return;
  }
  const WarmUse use = {.uses = uses, .order = static_cast<uint8_t>(group.order)};
  future_.Add(use.order, 0, uses);
  if (full() && floor_.has_value() && LevelOf(use) <= LevelToBeat(*floor_)) {
    ++stats_.refusals;
  } else if (pending_.size() == layout_.segment_records()) {
    ++stats_.skipped;
  } else {
    std::byte* const record = RecordIn(collecting_, pending_.size());
    std::memcpy(record, ids, layout_.id_bytes());
    std::memcpy(record + layout_.id_bytes(), rows, layout_.group_bytes());
    pending_index_[group.hash] = static_cast<uint32_t>(pending_.size());
    pending_.push_back({.hash = group.hash, .use = use});
  }
}

bool WarmTier::WriteIsDue(absl::Time now) const {
  // In a full tier half a segment of newcomers makes room for itself.
  const size_t enough = std::max(1U, layout_.segment_records() / (full() ? 2 : 1));
  return now >= next_write_ && pending_.size() >= enough;
}

bool WarmTier::Step(absl::Time now) {
  std::optional<uint64_t> found;
  bool age = false;
  {
    absl::MutexLock lock(&mutex_);
    if (uses_since_refreshed_ >= layout_.segment_records()) {  // whether or not any got in
      uses_since_refreshed_ = 0;
      future_.Refresh();
    }
    if (!found_segments_.empty()) {
      found = found_segments_.back();
      found_segments_.pop_back();
    } else if (!WriteIsDue(now)) {
      return false;
    }
    age = uses_since_aged_ > kUsesToAge * layout_.slots();
    if (age) uses_since_aged_ = 0;
  }
  if (age) Age();
  if (found.has_value()) {
    TakeIn(*found);
  } else {
    WriteSegment(now);
  }
  return true;
}

void WarmTier::TakeIn(uint64_t segment) {
  std::vector<std::byte> directory(size_t{layout_.directory_slots()} * layout_.record_bytes());
  RowCopier copier(directory.data(), layout_.record_bytes());
  std::vector<RowRead> reads;
  for (uint32_t i = 0; i < layout_.directory_slots(); ++i) {
    reads.push_back({layout_.first_slot(segment) + i, i});
  }
  ColdReadStats ignored;
  const absl::Status status = store_->Read(reads, absl::InfiniteFuture(), &copier, &ignored);
  absl::MutexLock lock(&mutex_);
  if (!status.ok()) {
    spdlog::warn("segment {} of the warm tier is given up: {}", segment, status.ToString());
    free_segments_.push_back(segment);
    return;
  }
  std::vector<RowId> ids(layout_.id_bytes() / sizeof(RowId));
  for (uint32_t i = 0; i < layout_.segment_records(); ++i) {
    const std::byte* entry = directory.data() + i * layout_.entry_bytes();
    uint32_t uses = 0;
    std::memcpy(ids.data(), entry, layout_.id_bytes());
    std::memcpy(&uses, entry + layout_.id_bytes(), sizeof(uses));
    if (uses == 0) break;
    const WarmUse use = {.uses = static_cast<uint8_t>(std::min(uses, 255U)),
                         .order = static_cast<uint8_t>(orders_.IndexOf(ids[0]))};
    future_.Add(use.order, 0, use.uses);
    EnterRecord(ids.data(), layout_.first_record(segment) + i, use);
  }
}

uint8_t WarmTier::LevelToBeat(const WarmUse& held) const {
  static const auto kToBeat = [] {
    std::array<uint8_t, FutureUses::kLevels + 1> levels{};
    for (uint8_t level = 0; level < levels.size(); ++level) {
      levels[level] = FutureUses::LevelAt(FutureUses::UsesAt(level) + kWriteCost);
    }
    return levels;
  }();
  const uint8_t level = LevelOf(held);
  return held.in_ram ? level : kToBeat[level];
}

void WarmTier::EnterRecord(const RowId* ids, SlotId slot, const WarmUse& use) {
  const uint64_t hash = HashOf(ids);
  if (!index_->Find(hash).has_value()) index_->Insert(hash, slot, use);
}

void WarmTier::VisitSegments(absl::FunctionRef<void(uint64_t segment)> visit) {
  constexpr uint64_t kSegmentsAtATime = 16;
  for (uint64_t segment = 0; segment < layout_.segments();) {
    absl::MutexLock lock(&mutex_);
    const uint64_t end = std::min(segment + kSegmentsAtATime, layout_.segments());
    for (; segment < end; ++segment) visit(segment);
  }
}

// Halves all uses.
void WarmTier::Age() {
  VisitSegments([this](uint64_t segment) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    const SlotId first = layout_.first_record(segment);
    for (SlotId slot = first; slot < first + layout_.segment_records(); ++slot) {
      if (!index_->holds(slot)) continue;
      WarmUse use = index_->use(slot);
      use.uses = static_cast<uint8_t>((use.uses + 1) / 2);
      index_->Update(slot, use);
    }
  });
}

WarmTierStats WarmTier::Stats() const {
  absl::MutexLock lock(&mutex_);
  WarmTierStats stats = stats_;
  stats.groups = index_->size();
  stats.disk_bytes = store_->disk_bytes();
  return stats;
}

}  // namespace engram::storage
