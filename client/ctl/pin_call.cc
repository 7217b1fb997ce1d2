#include "client/ctl/pin_call.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "client/ctl/interrupt.h"
#include "client/ctl/progress.h"
#include "client/ctl/units.h"

namespace engram::ctl {
namespace {

constexpr size_t kIdsPerMessage = 1 << 17;

using Stream = grpc::ClientReaderWriterInterface<v1::PinRequest, v1::PinProgress>;

// Sends all messages as far as each is answered.
void SendGroups(const CommandContext& context, Stream& stream, const PinOptions& options,
                v1::PinProgress* answer) {
  const size_t group_size = options.group_size;
  const size_t step = std::max<size_t>(1, kIdsPerMessage / group_size) * group_size;
  const size_t total = options.row_ids.size() / group_size;
  Progress progress(context.console);
  v1::PinRequest request;
  request.set_name(options.table.name());
  request.set_version(options.table.version());
  request.set_all(options.all);
  size_t end = 0;
  do {
    const auto ids = options.row_ids.subspan(end, step);
    request.mutable_row_ids()->Assign(ids.begin(), ids.end());
    end += ids.size();
    request.set_last(end == options.row_ids.size());
    if (!stream.Write(request) || !stream.Read(answer)) return;
    request.Clear();
    const size_t done = end / group_size;
    progress.Update(
        {.label = options.table.name(),
         .done = done,
         .total = total,
         .amount = absl::StrCat(FormatCount(done), " of ", FormatCount(total), " n-grams"),
         .rate = ""});
  } while (end < options.row_ids.size());
}

}  // namespace

absl::StatusOr<v1::PinProgress> CallPin(const CommandContext& context, Connection& connection,
                                        const PinOptions& options) {
  grpc::ClientContext call;
  const Interrupt interrupt([&call] { call.TryCancel(); });
  const auto stream = options.unpin ? connection.stub().Unpin(&call) : connection.stub().Pin(&call);
  v1::PinProgress answer;
  SendGroups(context, *stream, options, &answer);
  stream->WritesDone();
  const absl::Status status = connection.ToStatus(stream->Finish());
  if (absl::IsCancelled(status)) {
    return absl::CancelledError(options.unpin ? "cancelled: some n-grams may be unpinned"
                                              : "cancelled: nothing was pinned");
  }
  if (!status.ok()) return status;
  return answer;
}

}  // namespace engram::ctl
