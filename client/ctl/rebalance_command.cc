#include <CLI/CLI.hpp>
#include <memory>

#include "absl/strings/str_cat.h"
#include "client/ctl/commands.h"
#include "client/ctl/connection.h"
#include "client/ctl/json_output.h"
#include "client/ctl/progress.h"
#include "client/ctl/rebalance_output.h"
#include "client/ctl/units.h"

namespace engram::ctl {
namespace {

ProgressState ToProgressState(const v1::RebalanceProgress& message) {
  return {.label = "moving RAM",
          .done = message.bytes_moved(),
          .total = message.bytes_total(),
          .amount = absl::StrCat(FormatBytes(static_cast<double>(message.bytes_moved())), " of ",
                                 FormatBytes(static_cast<double>(message.bytes_total()))),
          .rate = ""};
}

void PrintMoved(const v1::RebalanceProgress& last, std::ostream& out) {
  out << "moved " << FormatBytes(static_cast<double>(last.bytes_moved())) << " of "
      << FormatBytes(static_cast<double>(last.bytes_total()));
  if (last.bytes_moved() < last.bytes_total()) {
    out << "; no table wants more now, and the rest follows as their traffic asks for it";
  }
  out << "\n";
}

absl::Status RunRebalance(const CommandContext& context, const v1::RebalanceRequest& request) {
  Connection connection(context.address);
  Progress progress(context.console);
  v1::RebalancePlan plan;
  v1::RebalanceProgress last;
  const absl::Status status = connection.Stream<v1::RebalanceRequest, v1::RebalanceProgress>(
      &Connection::Stub::Rebalance, request, [&](const v1::RebalanceProgress& message) {
        last = message;
        if (message.has_plan()) {
          plan = message.plan();
          if (!context.json) PrintPlan(plan, context.console.out);
          context.console.out.flush();
        }
        if (!message.done()) progress.Update(ToProgressState(message));
      });
  progress.Clear();
  if (absl::IsCancelled(status)) {
    return absl::CancelledError(absl::StrCat("cancelled; ",
                                             FormatBytes(static_cast<double>(last.bytes_moved())),
                                             " were moved, and stay where they are"));
  }
  if (!status.ok()) return status;
  if (!last.done()) return absl::InternalError("the daemon ended the rebalancing early");
  if (context.json) {
    PrintJson(RebalanceJson(plan, last, request.dry_run()), context.console.out);
  } else if (!request.dry_run() && last.bytes_total() > 0) {
    PrintMoved(last, context.console.out);
  }
  return absl::OkStatus();
}

}  // namespace

void AddRebalanceCommand(CommandLine& line) {
  const auto dry_run = std::make_shared<bool>(false);
  CLI::App* const app = line.AddCommand(
      {.name = "rebalance",
       .summary = "Move RAM between tables to where it saves most stall and reads, now",
       .example = "engramctl rebalance --dry-run"},
      [dry_run](const CommandContext& context) {
        v1::RebalanceRequest request;
        request.set_dry_run(*dry_run);
        return RunRebalance(context, request);
      });
  app->add_flag("--dry-run", *dry_run, "Only say what would move, and what that would bring");
}

}  // namespace engram::ctl
