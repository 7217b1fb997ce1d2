// engramd's command line.
#ifndef ENGRAM_SERVER_FLAGS_H_
#define ENGRAM_SERVER_FLAGS_H_

#include <iosfwd>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/server.h"

namespace engram::server {

struct DaemonFlags {
  ServerOptions server;
  // How long calls under way may take after SIGTERM.
  absl::Duration drain_grace = absl::Seconds(30);
  std::string log_level = "info";
};

// Parses flags, and the file that --flagfile names: one flag a line, and comments, lines that start
// with "#"; flags of the command line win. Returns nothing if all that was asked for, help or the
// version, was printed to `out`.
//   INVALID_ARGUMENT  names the flag and what is wrong with it
absl::StatusOr<std::optional<DaemonFlags>> ParseFlags(int argc, const char* const* argv,
                                                      std::ostream& out);

}  // namespace engram::server

#endif  // ENGRAM_SERVER_FLAGS_H_
