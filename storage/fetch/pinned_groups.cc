#include "storage/fetch/pinned_groups.h"

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "storage/fetch/group_restore.h"

namespace engram::storage {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(10);
constexpr absl::Duration kRetryInterval = absl::Milliseconds(10);

}  // namespace

KnownGroups NotPinned(TableVersion& table, const KnownGroups& groups) {
  const size_t group_size = table.spec().group_size;
  KnownGroups left;
  for (const uint32_t group : table.ram().NotPinned(groups.row_ids)) {
    const auto ids = groups.row_ids.begin() + static_cast<std::ptrdiff_t>(group * group_size);
    left.row_ids.insert(left.row_ids.end(), ids, ids + static_cast<std::ptrdiff_t>(group_size));
    left.pasts.push_back(groups.pasts[group]);
  }
  return left;
}

absl::Status PinGroups(TableVersion& table, KnownGroups groups, absl::FunctionRef<bool()> go_on) {
  absl::Time give_up = absl::Now() + kPatience;
  while (groups.size() > 0) {
    const auto offered =
        RestoreGroups(table, groups.row_ids, groups.pasts, RestoreRoom::kWorth, go_on);
    if (!offered.ok()) return offered.status();
    KnownGroups left = NotPinned(table, groups);
    if (left.size() == 0) break;
    const uint64_t limit = table.ram().pin_limit();
    if (const uint64_t pinned = table.ram().Stats().pinned; pinned >= limit) {
      return absl::ResourceExhaustedError(absl::StrCat(pinned, " groups are pinned, ", left.size(),
                                                       " more would be, and ", limit, " may be"));
    }
    if (left.size() < groups.size()) give_up = absl::Now() + kPatience;
    if (absl::Now() > give_up) {
      return absl::ResourceExhaustedError(
          absl::StrCat("RAM has no room for ", left.size(), " of the groups"));
    }
    groups = std::move(left);
    absl::SleepFor(kRetryInterval);
  }
  return absl::OkStatus();
}

}  // namespace engram::storage
