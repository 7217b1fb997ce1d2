#include "client/ctl/warm_up_call.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/ctl/interrupt.h"
#include "client/ctl/progress.h"
#include "client/ctl/table_names.h"
#include "client/ctl/units.h"

namespace engram::ctl {
namespace {

constexpr size_t kIdsPerMessage = 1 << 17;

using Stream = grpc::ClientReaderWriterInterface<v1::WarmUpRequest, v1::WarmUpProgress>;

// Sends a message and waits for its answer. Returns whether both went well.
bool Exchange(Stream& stream, const v1::WarmUpRequest& request, v1::WarmUpProgress* progress) {
  return stream.Write(request) && stream.Read(progress);
}

void SendGroups(const CommandContext& context, Stream& stream, const WarmUpGroups& groups,
                v1::WarmUpProgress* last) {
  const size_t total = std::min<uint64_t>(groups.count, last->room_groups());
  const size_t step = std::max<size_t>(1, kIdsPerMessage / groups.group_size);
  const absl::Time start = absl::Now();
  Progress progress(context.console);
  for (size_t begin = 0; begin < total; begin += step) {
    v1::WarmUpRequest request;
    const size_t end = std::min(total, begin + step);
    for (size_t index = begin; index < end; ++index) groups.add(index, &request);
    if (!Exchange(stream, request, last)) return;
    const double rate = static_cast<double>(end) / absl::ToDoubleSeconds(absl::Now() - start);
    progress.Update(
        {.label = last->table().name(),
         .done = end,
         .total = total,
         .amount = absl::StrCat(FormatCount(end), " of ", FormatCount(total), " n-grams"),
         .rate = absl::StrCat(FormatCount(static_cast<uint64_t>(rate)), "/s")});
  }
}

}  // namespace

absl::StatusOr<v1::TableInfo> FindPublished(Connection& connection, absl::string_view name) {
  const auto listed = connection.Call(&Connection::Stub::ListTables, v1::ListTablesRequest());
  if (!listed.ok()) return listed.status();
  for (const v1::TableInfo& info : listed->tables()) {
    if (info.published() && info.identity().name() == name) return info;
  }
  return absl::NotFoundError(absl::StrCat("no published table is named \"", name, "\""));
}

absl::StatusOr<v1::WarmUpProgress> WarmUp(const CommandContext& context, Connection& connection,
                                          const v1::TableIdentity& table,
                                          const WarmUpGroups& groups) {
  grpc::ClientContext call;
  const Interrupt interrupt([&call] { call.TryCancel(); });
  const auto stream = connection.stub().WarmUp(&call);
  v1::WarmUpRequest first;
  first.set_name(table.name());
  first.set_version(table.version());
  v1::WarmUpProgress last;
  if (Exchange(*stream, first, &last)) {
    SendGroups(context, *stream, groups, &last);
    stream->WritesDone();
  }
  const absl::Status status = connection.ToStatus(stream->Finish());
  if (absl::IsCancelled(status)) {
    return absl::CancelledError(
        absl::StrCat("cancelled: ", FormatCount(last.admitted()), " n-grams had come into RAM"));
  }
  if (!status.ok()) return status;
  return last;
}

void PrintWarmUp(const v1::WarmUpProgress& last, uint64_t offered, std::ostream& out) {
  out << Describe(last.table()) << ": " << FormatCount(last.admitted()) << " of "
      << FormatCount(offered) << " n-grams came into RAM, " << FormatCount(last.held())
      << " were there, " << FormatCount(last.refused()) << " found no room in RAM";
  if (last.groups() < offered) {
    out << ", " << FormatCount(offered - last.groups()) << " were not sent";
  }
  out << "\n";
}

Json ToJson(const v1::WarmUpProgress& last, uint64_t offered) {
  Json json = ToJson(last.table());
  json["offered"] = offered;
  json["sent"] = last.groups();
  json["admitted"] = last.admitted();
  json["held"] = last.held();
  json["refused"] = last.refused();
  return json;
}

}  // namespace engram::ctl
