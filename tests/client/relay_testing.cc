#include "tests/client/relay_testing.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "gtest/gtest.h"
#include "tests/client/client_testing.h"

namespace engram {
namespace {

constexpr size_t kPiece = 16 << 10;

sockaddr_un ToSockaddr(const std::string& address) {
  const std::string path(absl::StripPrefix(address, "unix:"));
  sockaddr_un result = {};
  result.sun_family = AF_UNIX;
  EXPECT_LT(path.size(), sizeof(result.sun_path));
  std::memcpy(result.sun_path, path.data(), std::min(path.size(), sizeof(result.sun_path) - 1));
  return result;
}

// Moves up to `most` bytes; returns how many, 0 once either side is gone.
size_t Move(int from, int to, size_t most) {
  std::vector<char> piece(std::min(most, kPiece));
  const ssize_t got = read(from, piece.data(), piece.size());
  size_t sent = 0;
  while (got > 0 && sent < static_cast<size_t>(got)) {
    const ssize_t more =
        send(to, piece.data() + sent, static_cast<size_t>(got) - sent, MSG_NOSIGNAL);
    if (more <= 0) {
      return 0;
    }
    sent += static_cast<size_t>(more);
  }
  return sent;
}

}  // namespace

Relay::Relay(const std::string& daemon_address)
    : daemon_address_(daemon_address), address_(absl::StrCat("unix:", TestPath("relay"))) {
  const sockaddr_un name = ToSockaddr(address_);
  listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(bind(listener_, reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
  EXPECT_EQ(listen(listener_, 1), 0);
  to_daemon_ = std::thread([this] { RelayToDaemon(); });
}

Relay::~Relay() {
  LetThrough(kAll);
  shutdown(listener_, SHUT_RDWR);
  to_daemon_.join();
  close(listener_);
  unlink(ToSockaddr(address_).sun_path);
}

void Relay::LetThrough(size_t bytes) {
  absl::MutexLock lock(&mutex_);
  left_ = bytes;
}

void Relay::AwaitUsedUp() const {
  const auto used_up = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return left_ == 0; };
  absl::MutexLock lock(&mutex_, absl::Condition(&used_up));
}

void Relay::RelayToDaemon() {
  client_ = accept(listener_, nullptr, nullptr);
  if (client_ < 0) {
    return;
  }
  const sockaddr_un name = ToSockaddr(daemon_address_);
  daemon_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(connect(daemon_, reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
  to_client_ = std::thread([this] { RelayToClient(); });
  while (Move(client_, daemon_, kPiece) > 0) {
  }
  shutdown(daemon_, SHUT_RDWR);
  to_client_.join();
  close(client_);
  close(daemon_);
}

void Relay::RelayToClient() {
  const auto some_left = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return left_ > 0; };
  for (;;) {
    size_t most = 0;
    {
      absl::MutexLock lock(&mutex_, absl::Condition(&some_left));
      most = left_;
    }
    const size_t moved = Move(daemon_, client_, most);
    if (moved == 0) {
      break;
    }
    absl::MutexLock lock(&mutex_);
    if (left_ != kAll) {
      left_ -= std::min(left_, moved);
    }
  }
  shutdown(client_, SHUT_RDWR);
}

}  // namespace engram
