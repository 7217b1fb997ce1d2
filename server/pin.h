// The rpcs Pin and Unpin: groups that stay in RAM.
#ifndef ENGRAM_SERVER_PIN_H_
#define ENGRAM_SERVER_PIN_H_

#include "absl/status/status.h"
#include "engram/v1/engram_admin.pb.h"
#include "server/task_dialog.h"
#include "storage/tiered_store.h"

namespace engram::server {

using PinDialog = TaskDialog<v1::PinRequest, v1::PinProgress>;

// Serve a call to its end; errors are those of the rpcs.
absl::Status RunPin(storage::TieredStore* store, PinDialog* dialog);
absl::Status RunUnpin(storage::TieredStore* store, PinDialog* dialog);

}  // namespace engram::server

#endif  // ENGRAM_SERVER_PIN_H_
