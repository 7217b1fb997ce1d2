// A call of the rpc WarmUp.
#ifndef ENGRAM_CLIENT_CTL_WARM_UP_CALL_H_
#define ENGRAM_CLIENT_CTL_WARM_UP_CALL_H_

#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/ctl/command_line.h"
#include "client/ctl/connection.h"
#include "client/ctl/json_output.h"
#include "engram/v1/engram_admin.pb.h"

namespace engram::ctl {

// Groups to be brought in, most worthy first.
struct WarmUpGroups {
  size_t count = 0;
  size_t group_size = 1;
  // Adds the group with this index, below count, to a message.
  absl::FunctionRef<void(size_t index, v1::WarmUpRequest* request)> add;
};

// The published version of a table.
//   NOT_FOUND, and what Connection::Call returns
absl::StatusOr<v1::TableInfo> FindPublished(Connection& connection, absl::string_view name);

// Sends as many groups as the daemon has room for, in messages of 1 MiB at most, with progress for
// people meanwhile. Returns the last progress.
//   CANCELLED  SIGINT or SIGTERM came; what is done stays done
//   or what the rpc does
absl::StatusOr<v1::WarmUpProgress> WarmUp(const CommandContext& context, Connection& connection,
                                          const v1::TableIdentity& table,
                                          const WarmUpGroups& groups);

// Says what came of `offered` groups.
void PrintWarmUp(const v1::WarmUpProgress& last, uint64_t offered, std::ostream& out);
Json ToJson(const v1::WarmUpProgress& last, uint64_t offered);

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_WARM_UP_CALL_H_
