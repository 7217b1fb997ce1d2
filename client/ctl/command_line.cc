#include "client/ctl/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/ctl/exit_code.h"
#include "client/ctl/help_formatter.h"

namespace engram::ctl {
namespace {

constexpr char kAddressVariable[] = "ENGRAMD_ADDRESS";
constexpr char kDefaultAddress[] = "unix:/run/engramd/engramd.sock";

constexpr char kProgramFooter[] =
    R"(Exit codes:
  0  success
  1  the command failed
  2  the command line is wrong
  3  the daemon cannot be reached
  4  the data is not what it should be: verify, replay or fetch met wrong or damaged rows

Examples:
  engramctl import /models/deepseek-v4.1-flash deepseek-v4.1-flash
  engramctl tables
  engramctl stats --watch 2

"engramctl COMMAND --help" says more about a command.)";

std::string CheckAddress(const std::string& address) {
  const bool is_path = absl::StartsWith(address, "unix:") && address.size() > 5;
  const size_t colon = address.rfind(':');
  const bool has_port = colon != std::string::npos && colon > 0 && colon + 1 < address.size() &&
                        address.find_first_not_of("0123456789", colon + 1) == std::string::npos;
  if (is_path || has_port) return "";
  return absl::StrCat("\"", address, "\" is neither unix:PATH nor HOST:PORT");
}

void AddJsonOption(CLI::App* app, CommandContext* context) {
  app->add_flag("--json", context->json, "Print the result as one JSON document");
}

void AddAddressOption(CLI::App* app, CommandContext* context) {
  app->add_option("--address", context->address,
                  absl::StrCat("Where the daemon listens: unix:PATH or HOST:PORT (env: ",
                               kAddressVariable, ")"))
      ->capture_default_str()
      ->check(CheckAddress, "ADDRESS")
      ->type_name("ADDRESS");
}

// What is wrong with the command line, and where to read on.
std::string UsageMessage(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<CLI::App*> commands = app.get_subcommands();
  if (!commands.empty()) {
    return absl::StrCat(error.what(), " (see engramctl ", commands[0]->get_name(), " --help)");
  }
  const std::vector<std::string> unknown = app.remaining();
  if (!unknown.empty()) return absl::StrCat("no command ", unknown[0], " (see engramctl --help)");
  if (error.get_name() == "RequiredError") return "which command? (see engramctl --help)";
  return absl::StrCat(error.what(), " (see engramctl --help)");
}

}  // namespace

CommandLine::CommandLine(const Console& console)
    : context_{.console = console, .address = kDefaultAddress},
      app_(std::make_unique<CLI::App>("Administers engramd, the host's store of Engram tables.",
                                      "engramctl")) {
  if (const char* address = std::getenv(kAddressVariable)) context_.address = address;
  app_->formatter(std::make_shared<HelpFormatter>());
  app_->set_help_flag("-h,--help", "Print this help and exit");
  app_->set_version_flag("--version", "engramctl " ENGRAM_VERSION, "Print the version and exit");
  app_->require_subcommand(1);
  app_->footer(kProgramFooter);
  AddAddressOption(app_.get(), &context_);
  AddJsonOption(app_.get(), &context_);
}

CommandLine::~CommandLine() = default;

CLI::App* CommandLine::AddCommand(const CommandText& text, CommandBody body) {
  CLI::App* const app = app_->add_subcommand(text.name, text.summary);
  app->footer(absl::StrCat("Examples:\n  ", absl::StrReplaceAll(text.example, {{"\n", "\n  "}})));
  if (text.uses_daemon) AddAddressOption(app, &context_);
  AddJsonOption(app, &context_);
  app->callback([this, body = std::move(body)] { chosen_ = body; });
  return app;
}

int CommandLine::Run(int argc, const char* const* argv) {
  const Console& console = context_.console;
  try {
    app_->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
      return app_->exit(error, console.out, console.err);  // help or version
    }
    console.err << "engramctl: " << UsageMessage(*app_, error) << "\n";
    return static_cast<int>(ExitCode::kUsage);
  }
  const absl::Status status = chosen_(context_);
  if (!status.ok()) console.err << "engramctl: " << status.message() << "\n";
  return static_cast<int>(ExitCodeOf(status));
}

}  // namespace engram::ctl
