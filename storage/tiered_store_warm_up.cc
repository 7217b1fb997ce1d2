// The tiered store's inside: groups that are brought in without a fetch.
#include "absl/strings/str_cat.h"
#include "storage/fetch/group_restore.h"
#include "storage/fetch/table_version.h"
#include "storage/tiered_store_impl.h"

namespace engram::storage {

absl::StatusOr<uint64_t> TieredStoreImpl::RoomForGroups(const TableRef& table) const {
  auto& version = static_cast<TableVersion&>(*table);
  if (version.ram().max_groups() == 0) {
    const bool whole = HeldWhole(table->identity().name) && ram_.budget_bytes() > 0;
    return absl::FailedPreconditionError(
        absl::StrCat("table \"", table->identity().name, "\" has no groups that come into RAM: ",
                     whole ? "it is held whole in RAM" : "there is no RAM for its groups"));
  }
  const uint64_t warm = version.warm() == nullptr ? 0 : version.warm()->layout().slots();
  return version.ram().max_groups() + warm;
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
  auto& version = static_cast<TableVersion&>(*table);
  const RamTierStats before = version.ram().Stats();
  const RestoreRoom room =
      before.evictions + before.refusals > 0 ? RestoreRoom::kWorth : RestoreRoom::kFairShare;
  return RestoreGroups(version, groups.row_ids, groups.pasts, room, go_on);
}

}  // namespace engram::storage
