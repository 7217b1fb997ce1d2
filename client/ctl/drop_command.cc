#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/ctl/commands.h"
#include "client/ctl/connection.h"
#include "client/ctl/json_output.h"
#include "client/ctl/option_checks.h"
#include "client/ctl/table_names.h"

namespace engram::ctl {
namespace {

struct DropOptions {
  std::string name;
  uint64_t version = 0;  // 0: all
  bool yes = false;
};

// Asks before data goes away.
absl::Status Confirm(const Console& console, const DropOptions& options) {
  const std::string what = options.version == 0 ? absl::StrCat("every version of ", options.name)
                                                : Describe(options.name, options.version);
  if (!console.in_is_terminal) {
    return absl::FailedPreconditionError(
        absl::StrCat("dropping ", what, " needs --yes where nobody can be asked"));
  }
  console.err << "Drop " << what << "? [y/N] " << std::flush;
  std::string answer;
  std::getline(console.in, answer);
  if (absl::EqualsIgnoreCase(answer, "y") || absl::EqualsIgnoreCase(answer, "yes")) {
    return absl::OkStatus();
  }
  return absl::CancelledError("nothing was dropped");
}

absl::Status RunDrop(const CommandContext& context, const DropOptions& options) {
  if (!options.yes) {
    if (absl::Status status = Confirm(context.console, options); !status.ok()) return status;
  }
  v1::DropRequest request;
  request.set_name(options.name);
  request.set_version(options.version);
  Connection connection(context.address);
  const auto response = connection.Call(&Connection::Stub::Drop, request);
  if (!response.ok()) return response.status();
  Json json = {{"dropped", Json::array()}};
  for (const v1::TableIdentity& identity : response->dropped()) {
    json["dropped"].push_back(ToJson(identity));
    if (!context.json) context.console.out << "dropped " << Describe(identity) << "\n";
  }
  if (context.json) PrintJson(json, context.console.out);
  return absl::OkStatus();
}

}  // namespace

void AddDropCommand(CommandLine& line) {
  const auto options = std::make_shared<DropOptions>();
  CLI::App* const app = line.AddCommand(
      {.name = "drop",
       .summary = "Remove a table, or one version of it",
       .example = "engramctl drop deepseek-v4.1-flash/layer1 --version 1 --yes"},
      [options](const CommandContext& context) { return RunDrop(context, *options); });
  app->add_option("NAME", options->name, "The table")->required();
  app->add_option("--version", options->version, "Only this version; otherwise all of them")
      ->check(AboveZero())
      ->type_name("N");
  app->add_flag("-y,--yes", options->yes, "Do not ask");
}

}  // namespace engram::ctl
