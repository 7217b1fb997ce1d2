#include "server/warm_up.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/proto_conversion.h"
#include "spdlog/spdlog.h"

namespace engram::server {
namespace {

uint32_t TicksOf(uint64_t uses) {
  const uint64_t ticks = uses / storage::kUsesPerTick;
  return static_cast<uint32_t>(std::min<uint64_t>(ticks, std::numeric_limits<int32_t>::max()));
}

absl::Status CheckCount(const char* field, int count, size_t groups) {
  if (static_cast<size_t>(count) == groups) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the message has ", count, " ", field, " for ", groups, " groups"));
}

void LogEnd(const v1::WarmUpProgress& total, absl::Duration took, const absl::Status& status) {
  spdlog::info("warm-up of {} v{} {}: {} groups, {} into RAM, {} were there, {} found no room; {}",
               total.table().name(), total.table().version(),
               status.ok() ? "is done" : "stopped: " + status.ToString(), total.groups(),
               total.admitted(), total.held(), total.refused(),
               absl::FormatDuration(absl::Trunc(took, absl::Milliseconds(1))));
}

// Serves all messages, of which `request` is the first.
absl::Status ServeMessages(storage::TieredStore* store, const storage::TableRef& table,
                           v1::WarmUpRequest request, WarmUpDialog* dialog,
                           v1::WarmUpProgress* total) {
  do {
    auto groups = KnownGroupsOf(request, table->spec().group_size);
    if (!groups.ok()) return groups.status();
    if (groups->size() == 0) continue;
    const auto counts = store->WarmUp(table, *groups, [dialog] { return dialog->GoOn(); });
    if (!counts.ok()) return counts.status();
    total->set_groups(total->groups() + groups->size());
    total->set_admitted(total->admitted() + counts->admitted);
    total->set_held(total->held() + counts->held);
    total->set_refused(total->refused() + counts->refused);
    dialog->Write(*total);
  } while (dialog->Read(&request));
  return dialog->GoOn() ? absl::OkStatus() : absl::CancelledError("the caller closed the call");
}

}  // namespace

absl::StatusOr<storage::KnownGroups> KnownGroupsOf(const v1::WarmUpRequest& request,
                                                   uint32_t group_size) {
  const auto ids = static_cast<size_t>(request.row_ids_size());
  if (ids % group_size != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(ids, " row ids are no multiple of the group size, which is ", group_size));
  }
  const size_t groups = ids / group_size;
  storage::KnownGroups known;
  known.row_ids.assign(request.row_ids().begin(), request.row_ids().end());
  known.pasts.resize(groups, {.age = 0, .uses = 1, .gap = 0});
  if (request.uses().empty() && request.ages().empty() && request.gaps().empty()) return known;
  absl::Status status = CheckCount("uses", request.uses_size(), groups);
  status.Update(CheckCount("ages", request.ages_size(), groups));
  status.Update(CheckCount("gaps", request.gaps_size(), groups));
  if (!status.ok()) return status;
  for (size_t i = 0; i < groups; ++i) {
    const auto index = static_cast<int>(i);
    if (request.uses(index) == 0) {
      return absl::InvalidArgumentError(absl::StrCat("group ", i, " of the message has no uses"));
    }
    known.pasts[i] = {.age = TicksOf(request.ages(index)),
                      .uses = static_cast<uint8_t>(std::min(request.uses(index), 255U)),
                      .gap = request.uses(index) == 1
                                 ? uint8_t{0}
                                 : storage::GroupHistory::GapOf(TicksOf(request.gaps(index)))};
  }
  return known;
}

absl::Status RunWarmUp(storage::TieredStore* store, WarmUpDialog* dialog) {
  v1::WarmUpRequest request;
  if (!dialog->Read(&request)) return absl::CancelledError("the call ended before it began");
  const auto table = store->OpenTable(request.name(), request.version());
  if (!table.ok()) return table.status();
  const absl::StatusOr<uint64_t> room = store->RoomForGroups(*table);
  if (!room.ok()) return room.status();
  v1::WarmUpProgress total;
  ToProto((*table)->identity(), total.mutable_table());
  total.set_room_groups(*room);
  const absl::Time start = absl::Now();
  if (!dialog->Write(total)) return absl::CancelledError("the caller closed the call");
  const absl::Status status = ServeMessages(store, *table, std::move(request), dialog, &total);
  LogEnd(total, absl::Now() - start, status);
  return status;
}

}  // namespace engram::server
