#include "server/listeners.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace engram::server {
namespace {

bool IsLoopbackHost(absl::string_view host) {
  if (host == "localhost" || host == "[::1]") {
    return true;
  }
  in_addr address;
  constexpr uint32_t kLoopbackNet = 127;
  return inet_pton(AF_INET, std::string(host).c_str(), &address) == 1 &&
         ntohl(address.s_addr) >> 24 == kLoopbackNet;
}

// 0 if a process listens on the socket, or the errno of the refusal.
int TryConnect(const sockaddr_un& address) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) {
    return errno;
  }
  const absl::Cleanup close = [fd] { ::close(fd); };
  const auto* any = reinterpret_cast<const sockaddr*>(&address);
  return connect(fd, any, sizeof(address)) == 0 ? 0 : errno;
}

}  // namespace

absl::Status CheckUnixSocket(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("the path of the Unix socket has ", path.size(),
                                                   " bytes, and the system allows ",
                                                   sizeof(address.sun_path) - 1, ": ", path));
  }
  if (path.find('%') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the path of the Unix socket holds a '%', which gRPC takes for an escape: ", path));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const std::filesystem::path directory = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!directory.empty() && !std::filesystem::is_directory(directory, error)) {
    return absl::NotFoundError(
        absl::StrCat("the directory of the Unix socket does not exist: ", directory.string()));
  }
  struct stat info = {};
  if (lstat(path.c_str(), &info) != 0) {
    return errno == ENOENT
               ? absl::OkStatus()
               : absl::ErrnoToStatus(errno, absl::StrCat("cannot use the Unix socket ", path));
  }
  if (!S_ISSOCK(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is to be the Unix socket, and something else is there"));
  }
  const int refusal = TryConnect(address);
  if (refusal == 0 || refusal == EAGAIN) {
    return absl::FailedPreconditionError(
        absl::StrCat("another process listens on the Unix socket ", path));
  }
  return refusal == ECONNREFUSED
             ? absl::OkStatus()
             : absl::ErrnoToStatus(refusal, absl::StrCat("cannot use the Unix socket ", path));
}

absl::Status CheckLoopback(absl::string_view address) {
  const size_t colon = address.rfind(':');
  constexpr uint32_t kMaxPort = 65535;
  uint32_t port = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(address.substr(colon + 1), &port) ||
      port > kMaxPort) {
    return absl::InvalidArgumentError(
        absl::StrCat("TCP address \"", address, "\" is not HOST:PORT"));
  }
  if (!IsLoopbackHost(address.substr(0, colon))) {
    return absl::InvalidArgumentError(
        absl::StrCat("TCP address \"", address,
                     "\" is not a loopback one (127.0.0.1, [::1], localhost): the daemon trusts "
                     "whoever reaches it, so it serves this machine alone"));
  }
  return absl::OkStatus();
}

}  // namespace engram::server
