// The rpc WarmUp: groups that nobody fetched, into RAM and the warm tier.
#ifndef ENGRAM_SERVER_WARM_UP_H_
#define ENGRAM_SERVER_WARM_UP_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engram/v1/engram_admin.pb.h"
#include "server/task_dialog.h"
#include "storage/placement/known_groups.h"
#include "storage/tiered_store.h"

namespace engram::server {

using WarmUpDialog = TaskDialog<v1::WarmUpRequest, v1::WarmUpProgress>;

// Serves a call to its end; errors are those of the rpc.
absl::Status RunWarmUp(storage::TieredStore* store, WarmUpDialog* dialog);

// The groups of a message, with their pasts in the store's terms.
//   INVALID_ARGUMENT  the fields do not fit each other; row ids are not looked at
absl::StatusOr<storage::KnownGroups> KnownGroupsOf(const v1::WarmUpRequest& request,
                                                   uint32_t group_size);

}  // namespace engram::server

#endif  // ENGRAM_SERVER_WARM_UP_H_
