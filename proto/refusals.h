// What the daemon says when it refuses a call for its own sake, for clients that tell such a
// refusal from a connection that broke: both are UNAVAILABLE.
#ifndef ENGRAM_PROTO_REFUSALS_H_
#define ENGRAM_PROTO_REFUSALS_H_

namespace engram::wire {

inline constexpr char kStopping[] = "the daemon is stopping";

}  // namespace engram::wire

#endif  // ENGRAM_PROTO_REFUSALS_H_
