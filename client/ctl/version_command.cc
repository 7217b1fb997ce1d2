#include "client/ctl/commands.h"
#include "client/ctl/json_output.h"

namespace engram::ctl {

void AddVersionCommand(CommandLine& line) {
  line.AddCommand({.name = "version",
                   .summary = "Print the program's version (the daemon's is in stats)",
                   .example = "engramctl version",
                   .uses_daemon = false},
                  [](const CommandContext& context) {
                    if (context.json) {
                      PrintJson({{"version", ENGRAM_VERSION}}, context.console.out);
                    } else {
                      context.console.out << "engramctl " ENGRAM_VERSION "\n";
                    }
                    return absl::OkStatus();
                  });
}

}  // namespace engram::ctl
