#include "tests/bench/warm_placement.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "storage/cold/page_layout.h"
#include "storage/cold/page_reader.h"
#include "storage/cold/segment_store.h"
#include "storage/ram/group_hash.h"

namespace engram::bench {
namespace {

using storage::RowId;

constexpr uint64_t kHashSeed = 1;
// A group's one row is its number, and so is its id.
constexpr uint32_t kRowBytes = sizeof(RowId);
// Of 16 pages and so small records, half of which are the directory: as many as 16 MiB have of
// records of a page each.
constexpr uint64_t kSegmentBytes = 64 << 10;
constexpr uint64_t kSegmentRecords = 4080;

class MemorySegments final : public storage::SegmentStore {
 public:
  explicit MemorySegments(const storage::SegmentShape& shape)
      : shape_(shape), segments_(shape.segments) {}

  std::vector<uint64_t> Present() const override { return {}; }

  absl::Status Replace(uint64_t segment, absl::Span<const std::byte> rows) override {
    segments_[segment].assign(rows.begin(), rows.end());
    return absl::OkStatus();
  }

  absl::Status Read(absl::Span<const storage::RowRead> reads, const storage::ReadTerms& /*terms*/,
                    storage::RowSink* sink, storage::ColdReadStats* /*stats*/) override {
    for (const storage::RowRead& read : reads) {
      const std::vector<std::byte>& rows = segments_[read.row_id / shape_.rows_per_segment()];
      const size_t at = read.row_id % shape_.rows_per_segment() * shape_.row_bytes;
      if (at < rows.size()) sink->Take(read, rows.data() + at);
    }
    return absl::OkStatus();
  }

  uint64_t disk_bytes() const override { return 0; }

 private:
  const storage::SegmentShape shape_;
  std::vector<std::vector<std::byte>> segments_;
};

storage::TableSpec SpecOf(const GroupTrace& trace) {
  storage::TableSpec spec;
  spec.rows = trace.groups();
  spec.row_bytes = kRowBytes;
  for (uint32_t i = 0; i < trace.orders; ++i) spec.orders.push_back(i + 2);
  return spec;
}

std::vector<storage::GroupKey> WithOwnHashes(std::vector<storage::GroupKey> keys) {
  for (RowId group = 0; group < keys.size(); ++group) {
    keys[group].hash = storage::HashGroup(&group, sizeof(group), kHashSeed);
  }
  return keys;
}

}  // namespace

absl::StatusOr<std::unique_ptr<WarmPlacement>> WarmPlacement::Create(const GroupTrace& trace,
                                                                     uint32_t ram_slots,
                                                                     uint64_t warm_slots) {
  const storage::TableSpec spec = SpecOf(trace);
  const storage::SegmentShape shape = {.row_bytes = 2 * kRowBytes,
                                       .pages = kSegmentBytes / storage::PageLayout::kBlockBytes,
                                       .segments = 1};
  const uint64_t segments = (warm_slots + kSegmentRecords / 2) / kSegmentRecords;
  const storage::WarmTierOptions options = {
      .disk_bytes = (segments + 1) * shape.segment_disk_bytes(),
      .segment_bytes = kSegmentBytes,
      .write_bytes_per_s = uint64_t{1} << 50,
      .hash_seed = kHashSeed};
  const auto unlimited = std::make_shared<storage::ByteBudget>(uint64_t{1} << 50);
  auto warm =
      storage::WarmTier::Create(spec, unlimited, unlimited, options,
                                [](const storage::SegmentShape& fitting)
                                    -> absl::StatusOr<std::unique_ptr<storage::SegmentStore>> {
                                  return std::make_unique<MemorySegments>(fitting);
                                });
  if (!warm.ok()) return warm.status();
  if (*warm == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("placement: a warm tier of ", warm_slots,
                                                   " groups has no room for four "
                                                   "segments of ",
                                                   kSegmentRecords));
  }
  return absl::WrapUnique(new WarmPlacement(trace, *std::move(warm), ram_slots));
}

WarmPlacement::WarmPlacement(const GroupTrace& trace, std::unique_ptr<storage::WarmTier> warm,
                             uint32_t ram_slots)
    : keys_(WithOwnHashes(trace.keys)),
      warm_(std::move(warm)),
      ram_(keys_, NewRamPolicy(trace.orders), ram_slots, warm_.get()) {}

bool WarmPlacement::ReadWarm(uint32_t group) {
  const std::optional<storage::SlotId> slot = warm_->Find(&group);
  if (!slot.has_value()) return false;
  RowId row = 0;
  storage::WarmRead read = {
      .slot = *slot, .ids = &group, .rows = reinterpret_cast<std::byte*>(&row)};
  storage::ColdReadStats ignored;
  return warm_->Read(absl::MakeSpan(&read, 1), absl::InfiniteFuture(), &ignored).ok() && read.found;
}

TierHits WarmPlacement::Replay(const std::vector<uint32_t>& accesses) {
  TierHits hits;
  for (const uint32_t group : accesses) {
    const bool in_ram = ram_.holds(group);
    const bool in_warm = !in_ram && ReadWarm(group);
    ram_.Use(group);
    (in_ram ? hits.ram : in_warm ? hits.warm : hits.cold) += 1;
    while (warm_->Step(absl::InfiniteFuture())) continue;
  }
  return hits;
}

}  // namespace engram::bench
