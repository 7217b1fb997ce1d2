// The connection that inference workers use.
#ifndef ENGRAM_CLIENT_CTL_CONNECT_CLIENT_H_
#define ENGRAM_CLIENT_CTL_CONNECT_CLIENT_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/engram_client.h"

namespace engram::ctl {

// share_memory: as the client library does by itself; worth its while for many fetches.
// Returns UNAVAILABLE, at once and as Connection says it, if no daemon answers there.
absl::StatusOr<std::unique_ptr<Client>> ConnectClient(const std::string& address,
                                                      bool share_memory);

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_CONNECT_CLIENT_H_
