#include <CLI/CLI.hpp>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/ctl/commands.h"
#include "client/ctl/connection.h"
#include "client/ctl/json_output.h"
#include "client/ctl/option_checks.h"
#include "client/ctl/progress.h"
#include "client/ctl/table_names.h"
#include "client/ctl/units.h"

namespace engram::ctl {
namespace {

ProgressState ToProgressState(const v1::VerifyProgress& message) {
  return {.label = message.table().name(),
          .done = message.rows_done(),
          .total = message.rows_total(),
          .amount = absl::StrCat(FormatCount(message.rows_done()), " of ",
                                 FormatCount(message.rows_total()), " rows"),
          .rate = FormatRate(message.bytes_per_second())};
}

void PrintVerified(const v1::VerifyProgress& last, double seconds, std::ostream& out) {
  out << "OK: all " << FormatCount(last.rows_total()) << " rows of " << Describe(last.table())
      << " match the digest, read in " << FormatSeconds(seconds) << " ("
      << FormatRate(last.bytes_per_second()) << ")\n";
}

absl::Status RunVerify(const CommandContext& context, const v1::VerifyRequest& request) {
  Connection connection(context.address);
  Progress progress(context.console);
  v1::VerifyProgress last;
  const absl::Time start = absl::Now();
  const absl::Status status = connection.Stream<v1::VerifyRequest, v1::VerifyProgress>(
      &Connection::Stub::Verify, request, [&](const v1::VerifyProgress& message) {
        last = message;
        if (!message.done()) progress.Update(ToProgressState(message));
      });
  progress.Clear();
  if (absl::IsCancelled(status)) return absl::CancelledError("verification cancelled");
  if (!status.ok()) return status;
  if (!last.done()) return absl::InternalError("the daemon ended the verification early");
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  if (context.json) {
    PrintJson({{"table", ToJson(last.table())},
               {"rows", last.rows_total()},
               {"seconds", seconds},
               {"bytes_per_second", last.bytes_per_second()}},
              context.console.out);
  } else {
    PrintVerified(last, seconds, context.console.out);
  }
  return absl::OkStatus();
}

}  // namespace

void AddVerifyCommand(CommandLine& line) {
  struct Options {
    std::string name;
    uint64_t version = 0;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* const app =
      line.AddCommand({.name = "verify",
                       .summary = "Read a whole table from disk and compare its digest",
                       .example = "engramctl verify deepseek-v4.1-flash/layer1"},
                      [options](const CommandContext& context) {
                        v1::VerifyRequest request;
                        request.set_name(options->name);
                        request.set_version(options->version);
                        return RunVerify(context, request);
                      });
  app->add_option("TABLE", options->name, "The table")->required();
  app->add_option("--version", options->version, "Its version; otherwise the published one")
      ->check(AboveZero())
      ->type_name("N");
}

}  // namespace engram::ctl
