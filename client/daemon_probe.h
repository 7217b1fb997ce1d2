// What the client does about a daemon that hangs, whatever way a call takes.
//
// gRPC ends no call whose message it is just sending, not by deadline, cancellation or keepalive,
// and a daemon that hangs leaves a full socket, so that it sends for ever. Such calls are left to
// gRPC.
#ifndef ENGRAM_CLIENT_DAEMON_PROBE_H_
#define ENGRAM_CLIENT_DAEMON_PROBE_H_

#include <memory>

#include <grpcpp/generic/generic_stub.h>

#include "absl/time/time.h"
#include "client/channel_set.h"

namespace engram {

inline constexpr char kOpenTable[] = "/engram.v1.Engram/OpenTable";

// How long gRPC has to end a call after it was to.
inline constexpr absl::Duration kGrace = absl::Seconds(1);
// How long an answer without a deadline is waited for before the daemon is asked whether it lives.
inline constexpr absl::Duration kLongWait = absl::Seconds(20);

// Keeps what calls that are left to gRPC may yet use. Of channels its threads must not be the last
// to let go.
void KeepForEver(std::shared_ptr<const void> object);

// Whether the daemon answers a call at all, within ten seconds. One that did not is not asked again
// for a second, so that a thread with many calls learns of it once. The probe may outlive this
// function, so that the channels are kept for ever.
//   stub: one of those that `channels` owns
bool DaemonAnswers(std::shared_ptr<ChannelSet> channels, grpc::GenericStub* stub);

}  // namespace engram

#endif  // ENGRAM_CLIENT_DAEMON_PROBE_H_
