// Where the daemon listens.
#ifndef ENGRAM_SERVER_LISTENING_SOCKET_H_
#define ENGRAM_SERVER_LISTENING_SOCKET_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/unique_fd.h"

namespace engram::server {

// A socket that listens, and does not block whoever accepts from it. Any thread, one at a time.
class ListeningSocket {
 public:
  // Listens at `path` with permissions `mode`, from the first moment on. A socket that nobody
  // listens on any more is replaced.
  //   INVALID_ARGUMENT     the path is longer than the system allows, or holds a '%'
  //   NOT_FOUND            its directory does not exist
  //   FAILED_PRECONDITION  something else has that path, or a process listens on it
  //   PERMISSION_DENIED    the directory may not be written, or another user's socket is there
  //   others               as the system says
  static absl::StatusOr<ListeningSocket> Unix(const std::string& path, uint32_t mode);

  // Listens at "HOST:PORT" with a host that only this machine reaches: 127.0.0.0/8, [::1], or
  // localhost, which is 127.0.0.1. Port 0 takes any.
  //   INVALID_ARGUMENT     the address is no such one
  //   UNAVAILABLE          it is taken
  //   others               as the system says
  static absl::StatusOr<ListeningSocket> Tcp(absl::string_view address);

  ListeningSocket(ListeningSocket&& other) noexcept = default;
  ListeningSocket& operator=(ListeningSocket&&) = delete;
  // Stops to listen. The path of a Unix socket goes too, unless another socket stands there by now.
  ~ListeningSocket();

  int fd() const { return fd_.get(); }
  // 0 for a Unix socket.
  int tcp_port() const { return tcp_port_; }

 private:
  explicit ListeningSocket(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
  int tcp_port_ = 0;
  std::string path_;
  dev_t device_ = 0;  // with inode_: which file the path named when it was bound
  ino_t inode_ = 0;
};

// Whether a Unix socket may be bound at `path`: as ListeningSocket::Unix, without binding it.
absl::Status CheckUnixSocket(const std::string& path);

// Whether `address` may be listened on: as ListeningSocket::Tcp, without binding it.
//   INVALID_ARGUMENT
absl::Status CheckLoopback(absl::string_view address);

}  // namespace engram::server

#endif  // ENGRAM_SERVER_LISTENING_SOCKET_H_
