// engramctl, the administration program of engramd. main() runs it; so do tests.
#ifndef ENGRAM_CLIENT_CTL_ENGRAMCTL_H_
#define ENGRAM_CLIENT_CTL_ENGRAMCTL_H_

#include "client/ctl/console.h"

namespace engram::ctl {

// Runs one command line, argv[0] being the program, and returns the exit code (exit_code.h). Errors
// are one line on console.err: "engramctl: MESSAGE". Handles SIGINT and SIGTERM while a long
// command runs, so that only one may run in a process at a time.
int RunEngramctl(int argc, const char* const* argv, const Console& console);

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_ENGRAMCTL_H_
