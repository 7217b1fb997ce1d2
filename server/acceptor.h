// Takes the daemon's connections in. gRPC's own listener will not do: it stops for good once the
// process has run out of descriptors, and tells nobody who is at the other end.
#ifndef ENGRAM_SERVER_ACCEPTOR_H_
#define ENGRAM_SERVER_ACCEPTOR_H_

#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/listening_socket.h"
#include "server/unique_fd.h"

namespace engram::server {

// One thread that accepts from all sockets, and waits for what each connection says first. While
// descriptors or memory are short, connections are turned away at once, which the log says, and
// later ones are accepted again.
class Acceptor {
 public:
  // Called by the acceptor's thread with a new connection, non-blocking, and the first byte that
  // can be received from it.
  using OnConnection = std::function<void(UniqueFd connection, char first_byte)>;

  // Connections that say nothing for `patience` are closed; so is the oldest of those that have
  // said nothing yet, where they are many.
  //   RESOURCE_EXHAUSTED  no thread or descriptor is to be had
  static absl::StatusOr<std::unique_ptr<Acceptor>> Start(
      std::vector<ListeningSocket> sockets, OnConnection on_connection,
      absl::Duration patience = absl::Seconds(10));

  // Stops to listen. Returns when `on_connection` is no longer called.
  ~Acceptor();

 private:
  // A connection that has said nothing yet.
  struct Silent {
    UniqueFd connection;
    absl::Time until;
  };

  Acceptor(std::vector<ListeningSocket> sockets, OnConnection on_connection,
           absl::Duration patience);

  void Run();
  // Waits until there is something to do; `rest` while nothing can be accepted.
  void Poll(bool rest);
  // Accepts what waits at one socket. Returns false if nothing can be accepted for now.
  bool AcceptAll(int socket);
  bool TurnAway(int socket, int reason);
  // Hands over the connections that have said something, and closes those whose time is up.
  void Listen();

  const std::vector<ListeningSocket> sockets_;
  const OnConnection on_connection_;
  const absl::Duration patience_;
  UniqueFd stop_;              // an eventfd, readable when the thread is to end
  UniqueFd spare_;             // given up for a moment to turn a connection away
  std::deque<Silent> silent_;  // by arrival
  absl::Time next_warning_ = absl::InfinitePast();
  std::thread thread_;
};

}  // namespace engram::server

#endif  // ENGRAM_SERVER_ACCEPTOR_H_
