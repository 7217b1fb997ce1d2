// What a status that the daemon, or gRPC in its place, sent means to the client.
#ifndef ENGRAM_CLIENT_DAEMON_STATUS_H_
#define ENGRAM_CLIENT_DAEMON_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace engram {

// Every code that an rpc of the daemon ends with stays what it is; any other is INTERNAL, but for
// one: CANCELLED, which is not by this side, comes of a daemon that stops and cuts off what takes
// too long, and is UNAVAILABLE.
//   code: a number of absl::StatusCode, which are those of gRPC
absl::Status FromDaemon(int code, absl::string_view message, absl::string_view method);

}  // namespace engram

#endif  // ENGRAM_CLIENT_DAEMON_STATUS_H_
