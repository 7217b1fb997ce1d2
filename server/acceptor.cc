#include "server/acceptor.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "spdlog/spdlog.h"

namespace engram::server {
namespace {

// How long to wait where the system has no memory for a connection.
constexpr absl::Duration kRest = absl::Milliseconds(100);
constexpr size_t kMaxSilent = 256;

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

// Answers go out at once, and in few pieces.
void SetOptions(int connection) {
  const int on = 1;
  const bool tcp = setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0;
  if (!tcp) {
    // A Unix socket, whose buffer does not grow by itself as TCP's does: with the usual 208 KiB the
    // two ends wake each other ten times for an answer of 8,192 rows. net.core.wmem_max limits it.
    const int bytes = 1 << 20;
    setsockopt(connection, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Acceptor>> Acceptor::Start(std::vector<ListeningSocket> sockets,
                                                          OnConnection on_connection,
                                                          absl::Duration patience) {
  auto acceptor =
      absl::WrapUnique(new Acceptor(std::move(sockets), std::move(on_connection), patience));
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

Acceptor::Acceptor(std::vector<ListeningSocket> sockets, OnConnection on_connection,
                   absl::Duration patience)
    : sockets_(std::move(sockets)),
      on_connection_(std::move(on_connection)),
      patience_(patience),
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
  bool rest = false;
  uint64_t stop = 0;
  while (true) {
    Poll(rest);
    if (read(stop_.get(), &stop, sizeof(stop)) > 0) {
      return;
    }
    rest = false;
    for (const ListeningSocket& socket : sockets_) {
      rest |= !AcceptAll(socket.fd());
    }
    Listen();
  }
}

void Acceptor::Poll(bool rest) {
  std::vector<pollfd> polled = {{.fd = stop_.get(), .events = POLLIN, .revents = 0}};
  for (const ListeningSocket& socket : sockets_) {
    // While resting, connections stay where they are.
    polled.push_back({.fd = rest ? -1 : socket.fd(), .events = POLLIN, .revents = 0});
  }
  for (const Silent& silent : silent_) {
    polled.push_back({.fd = silent.connection.get(), .events = POLLIN, .revents = 0});
  }
  absl::Duration timeout = rest ? kRest : absl::Hours(1);
  if (!silent_.empty()) {
    timeout = std::clamp(silent_.front().until - absl::Now(), absl::ZeroDuration(), timeout);
  }
  const timespec spec = absl::ToTimespec(timeout);
  if (ppoll(polled.data(), polled.size(), &spec, nullptr) < 0 && errno != EINTR) {
    spdlog::error("waiting for connections failed: {}", strerror(errno));
  }
}

bool Acceptor::AcceptAll(int socket) {
  while (true) {
    UniqueFd connection(accept4(socket, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (connection.valid()) {
      SetOptions(connection.get());
      if (silent_.size() == kMaxSilent) {
        silent_.pop_front();
      }
      silent_.push_back({std::move(connection), absl::Now() + patience_});
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
  // They come in crowds.
  if (const absl::Time now = absl::Now(); now >= next_warning_) {
    next_warning_ = now + absl::Seconds(1);
    spdlog::warn("connections are turned away: {}", strerror(reason));
  }
  return turned_away;
}

void Acceptor::Listen() {
  const absl::Time now = absl::Now();
  std::deque<Silent> still;
  for (Silent& silent : silent_) {
    char first_byte = 0;
    const ssize_t received = recv(silent.connection.get(), &first_byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (received > 0) {
      on_connection_(std::move(silent.connection), first_byte);
    } else if (received < 0 && (errno == EAGAIN || errno == EINTR) && now < silent.until) {
      still.push_back(std::move(silent));
    }
  }
  silent_.swap(still);
}

}  // namespace engram::server
