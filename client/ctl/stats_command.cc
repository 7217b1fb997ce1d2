#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/ctl/commands.h"
#include "client/ctl/connection.h"
#include "client/ctl/interrupt.h"
#include "client/ctl/json_output.h"
#include "client/ctl/option_checks.h"
#include "client/ctl/stats_output.h"

namespace engram::ctl {
namespace {

struct StatsOptions {
  std::string name;
  double watch_seconds = 0;  // 0: once
};

absl::Status PrintOnce(const CommandContext& context, const StatsOptions& options,
                       Connection& connection) {
  v1::GetStatsRequest request;
  request.set_name(options.name);
  const auto stats = connection.Call(&Connection::Stub::GetStats, request);
  if (!stats.ok()) return stats.status();
  if (context.json) {
    PrintJson(ToJson(*stats), context.console.out);
  } else {
    PrintStats(*stats, context.console.out);
  }
  return absl::OkStatus();
}

absl::Status RunStats(const CommandContext& context, const StatsOptions& options) {
  Connection connection(context.address);
  if (options.watch_seconds == 0) return PrintOnce(context, options, connection);
  if (context.json) return absl::InvalidArgumentError("--watch excludes --json");
  const Interrupt interrupt;
  do {
    context.console.out << "---- "
                        << absl::FormatTime("%H:%M:%S", absl::Now(), absl::LocalTimeZone())
                        << " ----\n";
    const absl::Status status = PrintOnce(context, options, connection);
    if (!status.ok()) return status;
    context.console.out << "\n" << std::flush;
  } while (!interrupt.WaitFor(absl::Seconds(options.watch_seconds)));
  return absl::OkStatus();
}

}  // namespace

void AddStatsCommand(CommandLine& line) {
  const auto options = std::make_shared<StatsOptions>();
  CLI::App* const app = line.AddCommand(
      {.name = "stats",
       .summary = "Show what the daemon, its tables and tiers have done since it started",
       .example = "engramctl stats deepseek-v4.1-flash/layer1 --watch 2"},
      [options](const CommandContext& context) { return RunStats(context, *options); });
  app->add_option("NAME", options->name, "Only this table");
  CLI::Option* const watch =
      app->add_option("--watch", options->watch_seconds, "Repeat after this many seconds")
          ->check(AboveZero())
          ->type_name("SECONDS");
  watch->excludes(app->get_option("--json"));
}

}  // namespace engram::ctl
