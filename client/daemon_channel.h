// What every channel to the daemon has in common.
#ifndef ENGRAM_CLIENT_DAEMON_CHANNEL_H_
#define ENGRAM_CLIENT_DAEMON_CHANNEL_H_

#include <grpcpp/support/channel_arguments.h>

namespace engram {

inline grpc::ChannelArguments DaemonChannelArguments() {
  // The daemon takes pings every five seconds.
  constexpr int kKeepaliveMillis = 10'000;
  grpc::ChannelArguments arguments;
  // The daemon is on this host, whatever http_proxy says.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // Channels to one address would otherwise share one connection, and the backoff of its failures.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // A daemon that is stopped in its tracks, connection open, is as good as gone.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMillis);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveMillis);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // no limit
  return arguments;
}

}  // namespace engram

#endif  // ENGRAM_CLIENT_DAEMON_CHANNEL_H_
