// The daemon, from its options to its end. main() runs one; tests start their own.
#ifndef ENGRAM_SERVER_SERVER_H_
#define ENGRAM_SERVER_SERVER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "storage/tiered_store.h"

namespace engram::server {

struct ServerOptions {
  storage::StoreOptions store;

  // Path of the Unix socket; empty for none. Its directory must exist.
  std::string unix_socket;
  uint32_t unix_socket_mode = 0660;
  // "HOST:PORT" with a loopback host; port 0 takes any. Empty for none.
  std::string tcp_address;

  // Most bytes of rows in one answer, and of one request's message.
  uint64_t max_answer_bytes = uint64_t{64} << 20;
  uint64_t max_request_bytes = uint64_t{4} << 20;
  // Most bytes of rows in answers that are being made or sent, over all callers.
  uint64_t max_in_flight_bytes = uint64_t{1} << 30;
  // Most unanswered fetches of one stream.
  uint32_t max_stream_fetches = 64;
  // Most bytes of memory that clients of the Unix socket may share with the daemon, all together;
  // 0: none may.
  uint64_t max_shared_bytes = uint64_t{4} << 30;
  // Serve the reflection service, which lets tools list the rpcs.
  bool reflection = false;
};

// Thread-safe.
class Server {
 public:
  // Opens the store and serves it.
  //   INVALID_ARGUMENT     an option is out of range, no listener is asked for, or the TCP address
  //                        is not a loopback one
  //   FAILED_PRECONDITION  another process listens on the socket, or the path is no socket's
  //   UNAVAILABLE          the address cannot be listened on
  //   as TieredStore::Open
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options);
  // Serves a store that was opened by the caller; options.store is not looked at.
  static absl::StatusOr<std::unique_ptr<Server>> Start(
      const ServerOptions& options, std::unique_ptr<storage::TieredStore> store);

  // As Stop, without grace.
  virtual ~Server() = default;

  // The port that was taken; 0 without a TCP listener.
  virtual int tcp_port() const = 0;

  // Reports NOT_SERVING, refuses new calls with UNAVAILABLE but for lists and statistics, lets
  // calls under way end, and stops imports. Returns when nothing runs any more, or cancels what is
  // left after `grace`. Idempotent.
  virtual void Stop(absl::Duration grace) = 0;
};

}  // namespace engram::server

#endif  // ENGRAM_SERVER_SERVER_H_
