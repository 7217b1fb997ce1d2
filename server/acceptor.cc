#include "server/acceptor.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"

namespace engram::server {
namespace {

// How long to wait where the system has no memory for a connection.
constexpr int kRetryMillis = 100;

UniqueFd NewSpare() { return UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

// Errors of a connection that was given up before it was accepted, not of the listener.
bool IsOfConnection(int error) {
  switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
      return true;
    default:
      return false;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Acceptor>> Acceptor::Start(std::vector<ListeningSocket> sockets,
                                                          OnConnection on_connection) {
  auto acceptor = absl::WrapUnique(new Acceptor(std::move(sockets), std::move(on_connection)));
  if (!acceptor->stop_.valid() || !acceptor->spare_.valid()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no descriptor to be had for accepting connections: ", strerror(errno)));
  }
  try {
    acceptor->thread_ = std::thread([raw = acceptor.get()] { raw->Run(); });
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no thread to be had for accepting connections: ", error.what()));
  }
  return acceptor;
}

Acceptor::Acceptor(std::vector<ListeningSocket> sockets, OnConnection on_connection)
    : sockets_(std::move(sockets)),
      on_connection_(std::move(on_connection)),
      stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      spare_(NewSpare()) {}

Acceptor::~Acceptor() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(stop_.get(), &one, sizeof(one));
    thread_.join();
  }
}

void Acceptor::Run() {
  std::vector<pollfd> polled = {{.fd = stop_.get(), .events = POLLIN, .revents = 0}};
  for (const ListeningSocket& socket : sockets_) {
    polled.push_back({.fd = socket.fd(), .events = POLLIN, .revents = 0});
  }
  bool rest = false;
  while (true) {
    // While resting, connections stay where they are; only the order to stop is waited for.
    if (poll(polled.data(), rest ? 1 : polled.size(), rest ? kRetryMillis : -1) < 0 &&
        errno != EINTR) {
      spdlog::error("waiting for connections failed: {}", strerror(errno));
    }
    if (polled[0].revents != 0) {
      return;
    }
    rest = false;
    for (size_t i = 1; i < polled.size(); ++i) {
      rest |= !AcceptAll(polled[i].fd);
    }
  }
}

bool Acceptor::AcceptAll(int socket) {
  while (true) {
    UniqueFd connection(accept4(socket, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (connection.valid()) {
      // Answers go out at once; on a Unix socket, where nothing waits, this is refused.
      const int on = 1;
      setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      on_connection_(std::move(connection));
    } else if (errno == EAGAIN) {
      return true;
    } else if (!IsOfConnection(errno) && !TurnAway(socket, errno)) {
      return false;
    }
  }
}

bool Acceptor::TurnAway(int socket, int reason) {
  bool turned_away = false;
  if (reason == EMFILE || reason == ENFILE) {
    spare_.Reset();
    turned_away = UniqueFd(accept4(socket, nullptr, nullptr, SOCK_CLOEXEC)).valid();
    spare_ = NewSpare();
  }
  spdlog::warn("{}: {}", turned_away ? "a connection was turned away" : "cannot accept connections",
               strerror(reason));
  return turned_away;
}

}  // namespace engram::server
