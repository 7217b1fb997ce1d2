#include "storage/fetch/group_restore.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace engram::storage {
namespace {

constexpr size_t kMostGroups = 32768;
constexpr size_t kMostBytes = size_t{64} << 20;
// Reads between two looks at whether to go on: enough for a deep queue to be full most of the time.
constexpr size_t kReadsOfOneCall = 8192;
// Groups copied before others get the cache's lock.
constexpr size_t kGroupsOfOneLock = 512;
constexpr absl::Duration kWarmTierCheckInterval = absl::Milliseconds(2);

// The rows of some groups, read in the order of the disk.
class GroupRows {
 public:
  GroupRows(TableVersion& table, absl::Span<const RowId> row_ids)
      : table_(table),
        row_ids_(row_ids),
        group_size_(table.spec().group_size),
        rows_(
            std::make_unique_for_overwrite<std::byte[]>(row_ids.size() * table.spec().row_bytes)) {}

  absl::Status Read(absl::FunctionRef<bool()> go_on) {
    const absl::StatusOr<std::vector<uint32_t>> cold = ReadWarm(go_on);
    if (!cold.ok()) return cold.status();
    return ReadCold(*cold, go_on);
  }

  const RowId* IdsOf(size_t group) const { return row_ids_.data() + group * group_size_; }
  std::byte* RowsOf(size_t group) const {
    return rows_.get() + group * table_.spec().group_bytes();
  }

 private:
  // Returns the groups that are not there.
  absl::StatusOr<std::vector<uint32_t>> ReadWarm(absl::FunctionRef<bool()> go_on) {
    const std::shared_ptr<WarmTier> warm = table_.current_warm()->Get();
    std::vector<uint32_t> missing;
    std::vector<WarmRead> reads;
    for (uint32_t group = 0; group < row_ids_.size() / group_size_; ++group) {
      const RowId* const ids = IdsOf(group);
      const auto slot = warm == nullptr ? std::nullopt : warm->Find(ids);
      if (slot.has_value()) {
        reads.push_back({.slot = *slot, .ids = ids, .rows = RowsOf(group), .group = group});
      } else {
        missing.push_back(group);
      }
    }
    std::sort(reads.begin(), reads.end(),
              [](const WarmRead& a, const WarmRead& b) { return a.slot < b.slot; });
    for (size_t begin = 0; begin < reads.size(); begin += kReadsOfOneCall) {
      if (!go_on()) return absl::CancelledError("stopped");
      ColdReadStats ignored;
      const absl::Status status = warm->Read(absl::MakeSpan(reads).subspan(begin, kReadsOfOneCall),
                                             absl::InfiniteFuture(), &ignored);
      if (!status.ok()) return status;
    }
    for (const WarmRead& read : reads) {
      if (!read.found) missing.push_back(read.group);
    }
    return missing;
  }

  absl::Status ReadCold(const std::vector<uint32_t>& groups, absl::FunctionRef<bool()> go_on) {
    std::vector<RowRead> reads;
    reads.reserve(groups.size() * group_size_);
    for (const uint32_t group : groups) {
      for (uint32_t i = 0; i < group_size_; ++i) {
        reads.push_back({.row_id = IdsOf(group)[i], .destination = group * group_size_ + i});
      }
    }
    std::sort(reads.begin(), reads.end());
    for (size_t begin = 0; begin < reads.size(); begin += kReadsOfOneCall) {
      if (!go_on()) return absl::CancelledError("stopped");
      ColdReadStats ignored;
      const absl::Status status =
          table_.cold().ReadRows(absl::MakeConstSpan(reads).subspan(begin, kReadsOfOneCall),
                                 rows_.get(), absl::InfiniteFuture(), &ignored);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  TableVersion& table_;
  const absl::Span<const RowId> row_ids_;
  const uint32_t group_size_;
  const std::unique_ptr<std::byte[]> rows_;  // [groups x group_size x row_bytes]
};

// How many groups more the warm tier can collect, at most `most`; `most` if there is none. Holds it
// for this call only, or it could not be replaced while somebody waits for it.
size_t CollectRoom(TableVersion& table, size_t most) {
  const std::shared_ptr<WarmTier> warm = table.current_warm()->Get();
  return warm == nullptr ? most : std::min(most, warm->CollectRoom());
}

// As many as GroupsOfOneRestore says, or fewer.
absl::StatusOr<RestoreCounts> RestorePart(TableVersion& table, absl::Span<const RowId> row_ids,
                                          absl::Span<const GroupPast> pasts, RestoreRoom room,
                                          absl::FunctionRef<bool()> go_on) {
  GroupRows rows(table, row_ids);
  if (absl::Status status = rows.Read(go_on); !status.ok()) return status;
  const size_t group_size = table.spec().group_size;
  RestoreCounts counts;
  for (size_t begin = 0, count = 0; begin < pasts.size(); begin += count) {
    count = kGroupsOfOneLock;
    if (room != RestoreRoom::kNone) {
      while ((count = CollectRoom(table, kGroupsOfOneLock)) == 0 && go_on()) {
        absl::SleepFor(kWarmTierCheckInterval);
      }
    }
    if (!go_on()) return absl::CancelledError("stopped");
    const auto part = pasts.subspan(begin, count);
    counts += table.ram().Restore({rows.IdsOf(begin), part.size() * group_size}, rows.RowsOf(begin),
                                  part, room);
    if (room == RestoreRoom::kNone && counts.refused > 0) {
      counts.refused = pasts.size() - counts.admitted - counts.held;
      break;
    }
  }
  return counts;
}

}  // namespace

size_t GroupsOfOneRestore(const TableSpec& spec) {
  return std::clamp<size_t>(kMostBytes / spec.group_bytes(), 1, kMostGroups);
}

absl::StatusOr<RestoreCounts> RestoreGroups(TableVersion& table, absl::Span<const RowId> row_ids,
                                            absl::Span<const GroupPast> pasts, RestoreRoom room,
                                            absl::FunctionRef<bool()> go_on) {
  const size_t group_size = table.spec().group_size;
  const size_t most = GroupsOfOneRestore(table.spec());
  RestoreCounts counts;
  for (size_t begin = 0; begin < pasts.size(); begin += most) {
    const auto part = pasts.subspan(begin, most);
    const auto restored = RestorePart(
        table, row_ids.subspan(begin * group_size, part.size() * group_size), part, room, go_on);
    if (!restored.ok()) return restored.status();
    counts += *restored;
    if (room == RestoreRoom::kNone && restored->refused > 0) {
      counts.refused = pasts.size() - counts.admitted - counts.held;
      break;
    }
  }
  return counts;
}

}  // namespace engram::storage
