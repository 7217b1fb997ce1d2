// Where the daemon may listen.
#ifndef ENGRAM_SERVER_LISTENERS_H_
#define ENGRAM_SERVER_LISTENERS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace engram::server {

// Whether a Unix socket may be bound at `path`: nothing is there, or a socket that nobody listens
// on any more, which binding then replaces.
//   INVALID_ARGUMENT     the path is longer than the system allows, or holds a '%'
//   NOT_FOUND            its directory does not exist
//   FAILED_PRECONDITION  something else has that path, or a process listens on it
//   PERMISSION_DENIED    another user's socket
absl::Status CheckUnixSocket(const std::string& path);

// Whether `address` is "HOST:PORT" with a host that only this machine reaches: 127.0.0.0/8, [::1]
// or localhost.
//   INVALID_ARGUMENT
absl::Status CheckLoopback(absl::string_view address);

}  // namespace engram::server

#endif  // ENGRAM_SERVER_LISTENERS_H_
