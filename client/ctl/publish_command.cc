#include <CLI/CLI.hpp>
#include <memory>

#include "client/ctl/commands.h"
#include "client/ctl/connection.h"
#include "client/ctl/json_output.h"
#include "client/ctl/option_checks.h"
#include "client/ctl/table_names.h"

namespace engram::ctl {
namespace {

absl::Status RunPublish(const CommandContext& context, const v1::PublishRequest& request) {
  Connection connection(context.address);
  const auto response = connection.Call(&Connection::Stub::Publish, request);
  if (!response.ok()) return response.status();
  if (context.json) {
    PrintJson({{"table", ToJson(response->table())}}, context.console.out);
  } else {
    context.console.out << "published " << Describe(response->table().identity()) << "\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddPublishCommand(CommandLine& line) {
  struct Options {
    std::string name;
    uint64_t version = 0;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* const app =
      line.AddCommand({.name = "publish",
                       .summary = "Make a version the one that workers open",
                       .example = "engramctl publish deepseek-v4.1-flash/layer1 2"},
                      [options](const CommandContext& context) {
                        v1::PublishRequest request;
                        request.set_name(options->name);
                        request.set_version(options->version);
                        return RunPublish(context, request);
                      });
  app->add_option("NAME", options->name, "The table")->required();
  app->add_option("VERSION", options->version, "Its version, as tables lists it")
      ->required()
      ->check(AboveZero());
}

}  // namespace engram::ctl
