// Calls of the rpcs Pin and Unpin.
#ifndef ENGRAM_CLIENT_CTL_PIN_CALL_H_
#define ENGRAM_CLIENT_CTL_PIN_CALL_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "client/ctl/command_line.h"
#include "client/ctl/connection.h"
#include "engram/v1/engram_admin.pb.h"

namespace engram::ctl {

struct PinOptions {
  v1::TableIdentity table;
  absl::Span<const uint32_t> row_ids{};  // [groups x group_size]
  size_t group_size = 1;
  bool unpin = false;
  bool all = false;  // groups of the table, instead of row_ids; with unpin only
};

// Sends the groups in messages of 512 KiB at most, with progress for people meanwhile. Returns the
// last answer.
//   CANCELLED  SIGINT or SIGTERM came; nothing was pinned, but some may have been unpinned
//   or what the rpcs do
absl::StatusOr<v1::PinProgress> CallPin(const CommandContext& context, Connection& connection,
                                        const PinOptions& options);

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_PIN_CALL_H_
