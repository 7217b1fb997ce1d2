#include "client/ctl/engramctl.h"

#include "client/ctl/command_line.h"
#include "client/ctl/commands.h"

namespace engram::ctl {

int RunEngramctl(int argc, const char* const* argv, const Console& console) {
  CommandLine line(console);
  AddHealthCommand(line);
  AddTablesCommand(line);
  AddImportCommand(line);
  AddPublishCommand(line);
  AddDropCommand(line);
  AddStatsCommand(line);
  AddAdviseCommand(line);
  AddRebalanceCommand(line);
  AddFetchCommand(line);
  AddVerifyCommand(line);
  AddReplayCommand(line);
  AddSeedCommand(line);
  AddWarmUpCommand(line);
  AddPinCommand(line);
  AddUnpinCommand(line);
  AddMakeCheckpointCommand(line);
  AddVersionCommand(line);
  return line.Run(argc, argv);
}

}  // namespace engram::ctl
