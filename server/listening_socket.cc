#include "server/listening_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace engram::server {
namespace {

// Connections that the kernel completes before they are accepted.
constexpr int kBacklog = 1024;

// An IPv4 or IPv6 address with its port.
struct TcpAddress {
  sockaddr_storage storage = {};
  socklen_t size = 0;

  sockaddr* any() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* any() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

bool ParseLoopbackHost(absl::string_view host, uint16_t port, TcpAddress* address) {
  if (host == "[::1]") {
    sockaddr_in6 v6 = {};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    v6.sin6_addr = in6addr_loopback;
    std::memcpy(&address->storage, &v6, sizeof(v6));
    address->size = sizeof(v6);
    return true;
  }
  sockaddr_in v4 = {};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  const std::string text = host == "localhost" ? "127.0.0.1" : std::string(host);
  constexpr uint32_t kLoopbackNet = 127;
  if (inet_pton(AF_INET, text.c_str(), &v4.sin_addr) != 1 ||
      ntohl(v4.sin_addr.s_addr) >> 24 != kLoopbackNet) {
    return false;
  }
  std::memcpy(&address->storage, &v4, sizeof(v4));
  address->size = sizeof(v4);
  return true;
}

absl::StatusOr<TcpAddress> ParseTcpAddress(absl::string_view text) {
  const size_t colon = text.rfind(':');
  constexpr uint32_t kMaxPort = 65535;
  uint32_t port = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(text.substr(colon + 1), &port) ||
      port > kMaxPort) {
    return absl::InvalidArgumentError(absl::StrCat("TCP address \"", text, "\" is not HOST:PORT"));
  }
  TcpAddress address;
  if (!ParseLoopbackHost(text.substr(0, colon), static_cast<uint16_t>(port), &address)) {
    return absl::InvalidArgumentError(
        absl::StrCat("TCP address \"", text,
                     "\" is not a loopback one (127.0.0.1, [::1], localhost): the daemon trusts "
                     "whoever reaches it, so it serves this machine alone"));
  }
  return address;
}

int PortOf(int fd) {
  TcpAddress bound;
  bound.size = sizeof(bound.storage);
  getsockname(fd, bound.any(), &bound.size);
  // The port stands at the same place in both kinds of address.
  sockaddr_in v4;
  std::memcpy(&v4, &bound.storage, sizeof(v4));
  return ntohs(v4.sin_port);
}

absl::Status SocketError(absl::string_view action, const std::string& name) {
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot ", action, " ", name));
}

UniqueFd NewSocket(int family) {
  return UniqueFd(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

sockaddr_un UnixAddress(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof(address.sun_path) - 1));
  return address;
}

// 0 if a process listens on the socket, or the errno of the refusal.
int TryConnect(const std::string& path) {
  const UniqueFd fd = NewSocket(AF_UNIX);
  if (!fd.valid()) {
    return errno;
  }
  const sockaddr_un address = UnixAddress(path);
  const auto* any = reinterpret_cast<const sockaddr*>(&address);
  return connect(fd.get(), any, sizeof(address)) == 0 ? 0 : errno;
}

absl::Status CheckUnixPath(const std::string& path) {
  constexpr size_t kMaxPath = sizeof(sockaddr_un::sun_path) - 1;
  if (path.size() > kMaxPath) {
    return absl::InvalidArgumentError(absl::StrCat("the path of the Unix socket has ", path.size(),
                                                   " bytes, and the system allows ", kMaxPath, ": ",
                                                   path));
  }
  if (path.find('%') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the path of the Unix socket holds a '%', which gRPC takes for an escape: ", path));
  }
  const std::filesystem::path directory = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!directory.empty() && !std::filesystem::is_directory(directory, error)) {
    return absl::NotFoundError(
        absl::StrCat("the directory of the Unix socket does not exist: ", directory.string()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckUnixSocket(const std::string& path) {
  if (absl::Status status = CheckUnixPath(path); !status.ok()) {
    return status;
  }
  struct stat info = {};
  if (lstat(path.c_str(), &info) != 0) {
    return errno == ENOENT ? absl::OkStatus() : SocketError("use the Unix socket", path);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is to be the Unix socket, and something else is there"));
  }
  const int refusal = TryConnect(path);
  if (refusal == 0 || refusal == EAGAIN) {
    return absl::FailedPreconditionError(
        absl::StrCat("another process listens on the Unix socket ", path));
  }
  return refusal == ECONNREFUSED
             ? absl::OkStatus()
             : absl::ErrnoToStatus(refusal, absl::StrCat("cannot use the Unix socket ", path));
}

absl::Status CheckLoopback(absl::string_view address) { return ParseTcpAddress(address).status(); }

absl::StatusOr<ListeningSocket> ListeningSocket::Unix(const std::string& path, uint32_t mode) {
  if (absl::Status status = CheckUnixSocket(path); !status.ok()) {
    return status;
  }
  ListeningSocket socket(NewSocket(AF_UNIX));
  if (!socket.fd_.valid()) {
    return SocketError("make the Unix socket", path);
  }
  unlink(path.c_str());  // where this fails, bind says why
  const sockaddr_un address = UnixAddress(path);
  if (bind(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return SocketError("bind the Unix socket", path);
  }
  struct stat info = {};
  if (lstat(path.c_str(), &info) != 0) {
    return SocketError("find the Unix socket", path);
  }
  socket.path_ = path;
  socket.device_ = info.st_dev;
  socket.inode_ = info.st_ino;
  // Nobody can connect before it listens, so that the mode holds from the first moment.
  if (chmod(path.c_str(), mode) != 0) {
    return SocketError("set the mode of the Unix socket", path);
  }
  if (listen(socket.fd(), kBacklog) != 0) {
    return SocketError("listen on the Unix socket", path);
  }
  return socket;
}

absl::StatusOr<ListeningSocket> ListeningSocket::Tcp(absl::string_view address) {
  const absl::StatusOr<TcpAddress> parsed = ParseTcpAddress(address);
  if (!parsed.ok()) {
    return parsed.status();
  }
  const std::string name(address);
  ListeningSocket socket(NewSocket(parsed->storage.ss_family));
  if (!socket.fd_.valid()) {
    return SocketError("make the socket of", name);
  }
  // A daemon that starts again need not wait for its predecessor's connections to be forgotten.
  const int on = 1;
  setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(socket.fd(), parsed->any(), parsed->size) != 0 || listen(socket.fd(), kBacklog) != 0) {
    return errno == EADDRINUSE
               ? absl::UnavailableError(absl::StrCat("another process listens on ", name))
               : SocketError("listen on", name);
  }
  socket.tcp_port_ = PortOf(socket.fd());
  return socket;
}

ListeningSocket::~ListeningSocket() {
  struct stat info = {};
  if (fd_.valid() && !path_.empty() && lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ &&
      info.st_ino == inode_) {
    unlink(path_.c_str());
  }
}

}  // namespace engram::server
