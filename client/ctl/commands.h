// The commands. Each is added by the file of its name, client/ctl/<command>_command.cc.
#ifndef ENGRAM_CLIENT_CTL_COMMANDS_H_
#define ENGRAM_CLIENT_CTL_COMMANDS_H_

#include "client/ctl/command_line.h"

namespace engram::ctl {

void AddHealthCommand(CommandLine& line);
void AddTablesCommand(CommandLine& line);
void AddImportCommand(CommandLine& line);
void AddPublishCommand(CommandLine& line);
void AddDropCommand(CommandLine& line);
void AddStatsCommand(CommandLine& line);
void AddAdviseCommand(CommandLine& line);
void AddRebalanceCommand(CommandLine& line);
void AddFetchCommand(CommandLine& line);
void AddVerifyCommand(CommandLine& line);
void AddReplayCommand(CommandLine& line);
void AddSeedCommand(CommandLine& line);
void AddWarmUpCommand(CommandLine& line);
void AddPinCommand(CommandLine& line);
void AddUnpinCommand(CommandLine& line);
void AddMakeCheckpointCommand(CommandLine& line);
void AddVersionCommand(CommandLine& line);

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_COMMANDS_H_
