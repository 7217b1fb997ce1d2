// The tiered store's inside: groups that are brought in without a fetch.
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "storage/fetch/group_restore.h"
#include "storage/fetch/table_version.h"
#include "storage/tiered_store_impl.h"

namespace engram::storage {
namespace {

constexpr absl::Duration kCheckInterval = absl::Milliseconds(5);
constexpr absl::Duration kMostWait = absl::Seconds(1);

}  // namespace

// That of a version which was just imported or published comes in a moment.
std::shared_ptr<WarmTier> TieredStoreImpl::AwaitWarmTier(TableVersion& version) const {
  const absl::Time give_up = absl::Now() + kMostWait;
  for (;;) {
    const bool may_come = warm_->division_due() && absl::Now() < give_up;
    std::shared_ptr<WarmTier> warm = version.current_warm()->Get();
    if (warm != nullptr || !may_come) return warm;
    absl::SleepFor(kCheckInterval);
  }
}

absl::StatusOr<uint64_t> TieredStoreImpl::RoomForGroups(const TableRef& table) const {
  auto& version = static_cast<TableVersion&>(*table);
  if (version.ram().max_groups() == 0) {
    const bool whole = HeldWhole(table->identity().name) && ram_.budget_bytes() > 0;
    return absl::FailedPreconditionError(
        absl::StrCat("table \"", table->identity().name, "\" has no groups that come into RAM: ",
                     whole ? "it is held whole in RAM" : "there is no RAM for its groups"));
  }
  const auto warm = AwaitWarmTier(version);
  return version.ram().max_groups() + (warm == nullptr ? 0 : warm->layout().slots());
}

absl::StatusOr<RestoreCounts> TieredStoreImpl::WarmUp(const TableRef& table,
                                                      const KnownGroups& groups,
                                                      absl::FunctionRef<bool()> go_on) {
  if (absl::Status status = ValidateIds(*table, groups.row_ids); !status.ok()) return status;
  if (const auto room = RoomForGroups(table); !room.ok()) return room.status();
  const TableSpec& spec = table->spec();
  if (groups.size() * spec.group_size != groups.row_ids.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        groups.size(), " pasts for ", groups.row_ids.size() / spec.group_size, " groups"));
  }
  // The first of several tables that are warmed up should leave the others what is theirs: what it
  // took beyond its part would only have to be evicted again.
  for (const TableRegistry::Listed& listed : registry_.List()) {
    if (listed.published) listed.table->ram().TakePart();
  }
  auto& version = static_cast<TableVersion&>(*table);
  const RamTierStats before = version.ram().Stats();
  const RestoreRoom room =
      before.evictions + before.refusals > 0 ? RestoreRoom::kWorth : RestoreRoom::kFairShare;
  return RestoreGroups(version, groups.row_ids, groups.pasts, room, go_on);
}

}  // namespace engram::storage
