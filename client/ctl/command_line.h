// The program's command line: what its commands share, and which of them was asked for.
#ifndef ENGRAM_CLIENT_CTL_COMMAND_LINE_H_
#define ENGRAM_CLIENT_CTL_COMMAND_LINE_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "client/ctl/console.h"

namespace CLI {
class App;
}

namespace engram::ctl {

// What a command is given to work with.
struct CommandContext {
  Console console;
  std::string address;  // the daemon's
  bool json = false;    // results as one JSON document, and nothing else on console.out
};

// Returns OK, or an error whose code decides the exit code and whose message is printed.
using CommandBody = std::function<absl::Status(const CommandContext&)>;

struct CommandText {
  std::string name;
  std::string summary;
  std::string example;  // one or more lines of shell
  bool uses_daemon = true;
};

class CommandLine {
 public:
  explicit CommandLine(const Console& console);
  ~CommandLine();

  // Adds a command with the common options. The app, to which the caller adds the command's own
  // options, lives as long as this.
  CLI::App* AddCommand(const CommandText& text, CommandBody body);

  // Parses the arguments and runs the command. Returns the exit code.
  int Run(int argc, const char* const* argv);

 private:
  CommandContext context_;
  std::unique_ptr<CLI::App> app_;
  CommandBody chosen_;
};

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_COMMAND_LINE_H_
