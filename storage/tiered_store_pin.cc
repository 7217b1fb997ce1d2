// The tiered store's inside: groups that stay in RAM.
#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "storage/fetch/pinned_groups.h"
#include "storage/fetch/table_version.h"
#include "storage/tiered_store_impl.h"

namespace engram::storage {
namespace {

constexpr absl::Duration kCheckInterval = absl::Milliseconds(10);

// What is in the file would be lost by a change before, which nobody could save.
absl::Status AwaitLoaded(const TableVersion& version, absl::FunctionRef<bool()> go_on) {
  while (version.loading_groups_left() > 0) {
    if (!go_on()) return absl::CancelledError("stopped");
    absl::SleepFor(kCheckInterval);
  }
  return absl::OkStatus();
}

// The different groups of these, in any order, to be pinned.
KnownGroups DistinctGroups(absl::Span<const RowId> row_ids, size_t group_size) {
  const auto ids_of = [&](size_t group) { return row_ids.subspan(group * group_size, group_size); };
  std::vector<uint32_t> groups(row_ids.size() / group_size);
  std::iota(groups.begin(), groups.end(), 0);
  std::sort(groups.begin(), groups.end(), [&](uint32_t a, uint32_t b) {
    return std::lexicographical_compare(ids_of(a).begin(), ids_of(a).end(), ids_of(b).begin(),
                                        ids_of(b).end());
  });
  KnownGroups distinct;
  distinct.row_ids.reserve(row_ids.size());
  for (size_t i = 0; i < groups.size(); ++i) {
    const auto ids = ids_of(groups[i]);
    if (i > 0 && ids == ids_of(groups[i - 1])) continue;
    distinct.row_ids.insert(distinct.row_ids.end(), ids.begin(), ids.end());
    distinct.pasts.push_back({.age = 0, .uses = 1, .gap = 0, .pinned = true});
  }
  return distinct;
}

}  // namespace

absl::StatusOr<uint64_t> TieredStoreImpl::PinLimit(const TableRef& table) const {
  if (const auto room = RoomForGroups(table); !room.ok()) return room.status();
  return static_cast<TableVersion&>(*table).ram().pin_limit();
}

absl::StatusOr<PinCounts> TieredStoreImpl::Pin(const TableRef& table,
                                               absl::Span<const RowId> row_ids,
                                               absl::FunctionRef<bool()> go_on) {
  if (absl::Status status = ValidateIds(*table, row_ids); !status.ok()) return status;
  const auto limit = PinLimit(table);
  if (!limit.ok()) return limit.status();
  auto& version = static_cast<TableVersion&>(*table);
  absl::MutexLock lock(&pin_mutex_);
  if (absl::Status status = AwaitLoaded(version, go_on); !status.ok()) return status;
  const KnownGroups groups = DistinctGroups(row_ids, table->spec().group_size);
  const KnownGroups added = NotPinned(version, groups);
  PinCounts counts;
  counts.changed = added.size();
  counts.unchanged = groups.size() - added.size();
  const uint64_t pinned = version.ram().Stats().pinned;
  if (counts.changed > 0 && pinned + counts.changed > *limit) {
    return absl::ResourceExhaustedError(
        absl::StrCat(pinned + counts.changed, " groups of table \"", table->identity().name,
                     "\" would be pinned, and at most ", *limit,
                     " may be: half of those that its share of RAM has room for"));
  }
  absl::Status status = PinGroups(version, added, go_on);
  if (!status.ok()) {
    version.ram().Unpin(added.row_ids);
    return status;
  }
  counts.pinned = version.ram().Stats().pinned;
  counts.saved = hot_.SaveNow(version);
  return counts;
}

absl::StatusOr<PinCounts> TieredStoreImpl::Unpin(const TableRef& table,
                                                 absl::Span<const RowId> row_ids,
                                                 absl::FunctionRef<bool()> go_on) {
  const bool all = row_ids.empty();
  absl::Status status = all ? absl::OkStatus() : ValidateIds(*table, row_ids);
  if (status.ok()) status = RoomForGroups(table).status();
  if (!status.ok()) return status;
  auto& version = static_cast<TableVersion&>(*table);
  absl::MutexLock lock(&pin_mutex_);
  if (status = AwaitLoaded(version, go_on); !status.ok()) return status;
  PinCounts counts;
  if (all) {
    counts.changed = version.ram().UnpinAll();
  } else {
    const KnownGroups groups = DistinctGroups(row_ids, table->spec().group_size);
    counts.changed = version.ram().Unpin(groups.row_ids);
    counts.unchanged = groups.size() - counts.changed;
  }
  counts.pinned = version.ram().Stats().pinned;
  counts.saved = hot_.SaveNow(version);
  return counts;
}

}  // namespace engram::storage
