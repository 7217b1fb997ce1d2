// WarmTier::Step: a segment of the groups that were collected.
#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "spdlog/spdlog.h"
#include "storage/cold/page_reader.h"
#include "storage/warm/warm_tier.h"

namespace engram::storage {
namespace {

constexpr absl::Duration kPauseAfterFailure = absl::Seconds(10);

// A group that may get into the segment: a record of the segment that is written anew, or a
// collected one.
struct Contender {
  uint8_t level;   // of one that is held, that to beat
  bool held;       // by the tier; else it is a newcomer
  uint32_t index;  // slot, or number among the collected
  WarmUse use;
};

// What is to be expected of those that have to go if only the `room` most worthy groups of these
// levels stay.
//   levels: groups of each level
double UsesLost(absl::Span<const uint32_t> levels, size_t room) {
  uint64_t groups = std::accumulate(levels.begin(), levels.end(), uint64_t{0});
  double uses = 0;
  for (uint8_t level = 0; groups > room; ++level) {
    const uint64_t lost = std::min<uint64_t>(levels[level], groups - room);
    uses += static_cast<double>(lost) * FutureUses::UsesAt(level);
    groups -= lost;
  }
  return uses;
}

}  // namespace

class WarmTier::SegmentWriter final : public RowSink {
 public:
  explicit SegmentWriter(WarmTier* tier) : tier_(*tier) {}

  // Chooses the segment, and the groups that will be in it.
  void Choose() ABSL_LOCKS_EXCLUDED(tier_.mutex_) {
    std::optional<LevelCounts> newcomers;  // if others have to make room for them
    {
      absl::MutexLock lock(&tier_.mutex_);
      newcomers = Collect();
    }
    if (newcomers.has_value()) segment_ = tier_.CheapestSegment(*newcomers);
    absl::MutexLock lock(&tier_.mutex_);
    if (newcomers.has_value()) AddHeld();
    for (uint32_t i = 0; i < collected_.size(); ++i) {
      const WarmUse& use = collected_[i].use;
      contenders_.push_back({tier_.LevelOf(use), false, i, use});
    }
    DropLeastWorthy();
    if (!any()) tier_.stats_.refusals += collected_.size();
  }

  // Puts the segment together and writes it.
  absl::Status Write() ABSL_LOCKS_EXCLUDED(tier_.mutex_) {
    MoveNewcomers();
    ReadHeld();
    WriteDirectory();
    if (contenders_.empty()) return absl::DataLossError("none of its records can be read");
    const SlotId first = tier_.layout_.first_slot(segment_);
    const SlotId end = first + tier_.layout_.segment_slots();
    {
      absl::MutexLock lock(&tier_.mutex_);
      for (Contender& contender : contenders_) {  // of which some were used meanwhile
        if (contender.held) contender.use = tier_.index_->use(contender.index);
      }
      tier_.index_->Clear(first, end);
    }
    tier_.index_->RemoveCleared(first, end);
    return tier_.store_->Replace(segment_, {tier_.Half(half_), bytes()});
  }

  // Whether any newcomer gets in, so that a write is worth it.
  bool any() const { return newcomers_ > 0; }

  // Makes what was written findable.
  void Enter() ABSL_EXCLUSIVE_LOCKS_REQUIRED(tier_.mutex_) {
    const SlotId first = tier_.layout_.first_record(segment_);
    std::vector<RowId> ids(tier_.layout_.id_bytes() / sizeof(RowId));
    for (uint32_t i = 0; i < contenders_.size(); ++i) {
      std::memcpy(ids.data(), tier_.RecordIn(half_, i), tier_.layout_.id_bytes());
      tier_.EnterRecord(ids.data(), first + i, contenders_[i].use);
    }
    tier_.stats_.admissions += newcomers_;
    tier_.stats_.evictions += dropped_held_;
    tier_.stats_.refusals += collected_.size() - newcomers_;
    tier_.stats_.bytes_written += bytes();
  }

  void GiveUp() ABSL_EXCLUSIVE_LOCKS_REQUIRED(tier_.mutex_) {
    tier_.stats_.skipped += newcomers_;
    tier_.free_segments_.push_back(segment_);
  }

  uint64_t bytes() const {
    return (tier_.layout_.directory_slots() + contenders_.size()) * tier_.layout_.record_bytes();
  }

  void Take(const RowRead& read, const std::byte* record) override {
    std::memcpy(tier_.RecordIn(half_, read.destination), record, tier_.layout_.record_bytes());
    was_read_[read.destination] = true;
  }
  absl::Status Miss(absl::Span<const RowRead> /*reads*/, absl::Status /*why*/) override {
    return absl::OkStatus();
  }

 private:
  // Takes the newcomers, and a free segment; or, if none is, returns the newcomers' levels.
  std::optional<LevelCounts> Collect() ABSL_EXCLUSIVE_LOCKS_REQUIRED(tier_.mutex_) {
    half_ = std::exchange(tier_.collecting_, 1 - tier_.collecting_);
    collected_ = std::exchange(tier_.pending_, {});
    tier_.pending_index_.clear();
    if (tier_.full()) {
      LevelCounts levels{};
      for (const Pending& pending : collected_) ++levels[tier_.LevelOf(pending.use)];
      return levels;
    }
    segment_ = tier_.free_segments_.back();
    tier_.free_segments_.pop_back();
    return std::nullopt;
  }

  void AddHeld() ABSL_EXCLUSIVE_LOCKS_REQUIRED(tier_.mutex_) {
    const SlotId first = tier_.layout_.first_record(segment_);
    for (SlotId slot = first; slot < first + tier_.layout_.segment_records(); ++slot) {
      if (!tier_.index_->holds(slot)) continue;
      const WarmUse use = tier_.index_->use(slot);
      contenders_.push_back({tier_.LevelToBeat(use), true, slot, use});
    }
  }

  // Newcomers first, each kind in its order; of equals the held ones stay.
  void DropLeastWorthy() ABSL_EXCLUSIVE_LOCKS_REQUIRED(tier_.mutex_) {
    const size_t room = tier_.layout_.segment_records();
    if (contenders_.size() > room) {
      const auto end = contenders_.begin() + static_cast<ptrdiff_t>(room);
      std::nth_element(contenders_.begin(), end, contenders_.end(),
                       [](const Contender& a, const Contender& b) {
                         return std::pair(a.level, a.held) > std::pair(b.level, b.held);
                       });
      dropped_held_ = static_cast<uint64_t>(
          std::count_if(end, contenders_.end(), [](const Contender& c) { return c.held; }));
      contenders_.erase(end, contenders_.end());
    }
    std::sort(contenders_.begin(), contenders_.end(), [](const Contender& a, const Contender& b) {
      return std::pair(a.held, a.index) < std::pair(b.held, b.index);
    });
    newcomers_ = static_cast<size_t>(std::count_if(contenders_.begin(), contenders_.end(),
                                                   [](const Contender& c) { return !c.held; }));
  }

  // To the start of the segment; they are in order, so none is overwritten before it moved.
  void MoveNewcomers() {
    for (size_t i = 0; i < newcomers_; ++i) {
      if (contenders_[i].index != i) {
        std::memcpy(tier_.RecordIn(half_, i), tier_.RecordIn(half_, contenders_[i].index),
                    tier_.layout_.record_bytes());
      }
    }
  }

  void ReadHeld() {
    std::vector<RowRead> reads;
    for (size_t i = newcomers_; i < contenders_.size(); ++i) {
      reads.push_back({contenders_[i].index, static_cast<uint32_t>(i)});
    }
    was_read_.assign(contenders_.size(), false);
    ColdReadStats ignored;
    const absl::Status status = tier_.store_->Read(reads, absl::InfiniteFuture(), this, &ignored);
    if (!status.ok()) spdlog::warn("reading the warm tier: {}", status.ToString());
    // Those that cannot be read are left out.
    size_t kept = newcomers_;
    for (size_t i = newcomers_; i < contenders_.size(); ++i) {
      if (!was_read_[i]) continue;
      if (i != kept) {
        std::memcpy(tier_.RecordIn(half_, kept), tier_.RecordIn(half_, i),
                    tier_.layout_.record_bytes());
      }
      contenders_[kept++] = contenders_[i];
    }
    contenders_.resize(kept);
  }

  void WriteDirectory() {
    std::byte* entry = tier_.Half(half_);
    std::memset(entry, 0, tier_.layout_.directory_slots() * tier_.layout_.record_bytes());
    for (size_t i = 0; i < contenders_.size(); ++i, entry += tier_.layout_.entry_bytes()) {
      const uint32_t uses = contenders_[i].use.uses;
      std::memcpy(entry, tier_.RecordIn(half_, i), tier_.layout_.id_bytes());
      std::memcpy(entry + tier_.layout_.id_bytes(), &uses, sizeof(uses));
    }
  }

  WarmTier& tier_;
  size_t half_ = 0;
  uint64_t segment_ = 0;
  std::vector<Pending> collected_;
  std::vector<Contender> contenders_;  // then those that get in: newcomers first
  size_t newcomers_ = 0;               // of those
  uint64_t dropped_held_ = 0;
  std::vector<bool> was_read_;
};

uint64_t WarmTier::CheapestSegment(const LevelCounts& newcomers) {
  uint64_t cheapest = 0;
  double least = std::numeric_limits<double>::infinity();
  WarmUse floor;
  uint8_t least_to_beat = std::numeric_limits<uint8_t>::max();
  VisitSegments([&](uint64_t segment) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    LevelCounts levels = newcomers;
    const SlotId first = layout_.first_record(segment);
    for (SlotId slot = first; slot < first + layout_.segment_records(); ++slot) {
      if (!index_->holds(slot)) continue;
      const WarmUse use = index_->use(slot);
      ++levels[LevelOf(use)];
      if (const uint8_t to_beat = LevelToBeat(use); to_beat < least_to_beat) {
        least_to_beat = to_beat;
        floor = use;
      }
    }
    const double loss = UsesLost(levels, layout_.segment_records());
    if (loss < least) {
      least = loss;
      cheapest = segment;
    }
  });
  absl::MutexLock lock(&mutex_);
  floor_ = floor;
  return cheapest;
}

void WarmTier::WriteSegment(absl::Time now) {
  SegmentWriter writer(this);
  writer.Choose();
  if (!writer.any()) return;
  const absl::Status status = writer.Write();
  absl::MutexLock lock(&mutex_);
  if (status.ok()) {
    writer.Enter();
    next_write_ = now + absl::Seconds(static_cast<double>(writer.bytes()) /
                                      static_cast<double>(options_.write_bytes_per_s));
  } else {
    spdlog::warn("a segment of the warm tier could not be written: {}", status.ToString());
    writer.GiveUp();
    next_write_ = now + kPauseAfterFailure;
  }
}

}  // namespace engram::storage
