#include "server/pin.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/proto_conversion.h"
#include "spdlog/spdlog.h"

namespace engram::server {
namespace {

// Of one call, which keeps them until the last has come: 64 MiB.
constexpr size_t kMaxRowIds = size_t{1} << 24;

// Adds the ids of a message.
absl::Status Collect(const storage::Table& table, const v1::PinRequest& request,
                     std::vector<storage::RowId>* row_ids) {
  if (request.row_ids().empty()) return absl::OkStatus();
  const auto ids =
      absl::MakeConstSpan(request.row_ids().data(), static_cast<size_t>(request.row_ids_size()));
  absl::Status status = storage::TieredStore::ValidateIds(table, ids);
  if (!status.ok()) return status;
  if (row_ids->size() + ids.size() > kMaxRowIds) {
    return absl::ResourceExhaustedError(
        absl::StrCat("more than ", kMaxRowIds, " row ids in one call"));
  }
  row_ids->insert(row_ids->end(), ids.begin(), ids.end());
  return absl::OkStatus();
}

// Reads all messages, of which `request` is the first, and answers all but the last.
absl::StatusOr<std::vector<storage::RowId>> ReadGroups(const storage::Table& table,
                                                       v1::PinRequest request, PinDialog* dialog,
                                                       v1::PinProgress* progress) {
  std::vector<storage::RowId> row_ids;
  while (true) {
    if (absl::Status status = Collect(table, request, &row_ids); !status.ok()) return status;
    progress->set_groups(row_ids.size() / table.spec().group_size);
    if (request.last()) return row_ids;
    if (!dialog->Write(*progress) || !dialog->Read(&request)) {
      return absl::CancelledError("the call ended before its last message");
    }
  }
}

absl::Status CheckAll(bool may_be_all, bool all, bool any_groups) {
  if (all && !may_be_all) return absl::InvalidArgumentError("only Unpin takes all groups");
  if (all && any_groups) return absl::InvalidArgumentError("all groups, and some of them as well");
  if (!all && !any_groups) return absl::InvalidArgumentError("the call names no groups");
  return absl::OkStatus();
}

using Change = absl::StatusOr<storage::PinCounts> (storage::TieredStore::*)(
    const storage::TableRef&, absl::Span<const storage::RowId>, absl::FunctionRef<bool()>);

absl::Status Run(storage::TieredStore* store, Change change, bool may_be_all, const char* done,
                 PinDialog* dialog) {
  v1::PinRequest request;
  if (!dialog->Read(&request)) return absl::CancelledError("the call ended before it began");
  const auto table = store->OpenTable(request.name(), request.version());
  if (!table.ok()) return table.status();
  const bool all = request.all();
  v1::PinProgress progress;
  ToProto((*table)->identity(), progress.mutable_table());
  const absl::StatusOr<uint64_t> limit = store->PinLimit(*table);
  if (!limit.ok()) return limit.status();
  progress.set_limit(*limit);
  const auto row_ids = ReadGroups(**table, std::move(request), dialog, &progress);
  if (!row_ids.ok()) return row_ids.status();
  absl::Status status = CheckAll(may_be_all, all, !row_ids->empty());
  if (!status.ok()) return status;
  const auto counts = (store->*change)(*table, *row_ids, [dialog] { return dialog->GoOn(); });
  if (!counts.ok()) return counts.status();
  progress.set_pinned(counts->pinned);
  progress.set_changed(counts->changed);
  progress.set_unchanged(counts->unchanged);
  progress.set_saved(counts->saved);
  spdlog::info("{} groups of {} v{} were {}, {} are pinned{}", counts->changed,
               progress.table().name(), progress.table().version(), done, counts->pinned,
               counts->saved ? "" : " until the daemon stops");
  dialog->Write(progress);
  return absl::OkStatus();
}

}  // namespace

absl::Status RunPin(storage::TieredStore* store, PinDialog* dialog) {
  return Run(store, &storage::TieredStore::Pin, /*may_be_all=*/false, "pinned", dialog);
}

absl::Status RunUnpin(storage::TieredStore* store, PinDialog* dialog) {
  return Run(store, &storage::TieredStore::Unpin, /*may_be_all=*/true, "unpinned", dialog);
}

}  // namespace engram::server
