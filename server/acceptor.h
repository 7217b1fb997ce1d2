// Takes the daemon's connections in. gRPC's own listener will not do: it stops for good once the
// process has run out of descriptors, and tells nobody who is at the other end.
#ifndef ENGRAM_SERVER_ACCEPTOR_H_
#define ENGRAM_SERVER_ACCEPTOR_H_

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "server/listening_socket.h"
#include "server/unique_fd.h"

namespace engram::server {

// One thread that accepts from all sockets. While descriptors or memory are short, connections are
// turned away at once, which the log says, and later ones are accepted again.
class Acceptor {
 public:
  // Called by the acceptor's thread with a new connection, non-blocking.
  using OnConnection = std::function<void(UniqueFd connection)>;

  //   RESOURCE_EXHAUSTED  no thread or descriptor is to be had
  static absl::StatusOr<std::unique_ptr<Acceptor>> Start(std::vector<ListeningSocket> sockets,
                                                         OnConnection on_connection);

  // Stops to listen. Returns when `on_connection` is no longer called.
  ~Acceptor();

 private:
  Acceptor(std::vector<ListeningSocket> sockets, OnConnection on_connection);

  void Run();
  // Accepts what waits at one socket. Returns false if nothing can be accepted for now.
  bool AcceptAll(int socket);
  bool TurnAway(int socket, int reason);

  const std::vector<ListeningSocket> sockets_;
  const OnConnection on_connection_;
  UniqueFd stop_;   // an eventfd, readable when the thread is to end
  UniqueFd spare_;  // given up for a moment to turn a connection away
  std::thread thread_;
};

}  // namespace engram::server

#endif  // ENGRAM_SERVER_ACCEPTOR_H_
