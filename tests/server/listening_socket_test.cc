#include "server/listening_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/server_testing.h"

namespace engram::server {
namespace {

using testing::HasSubstr;

// Binds a socket at `path`, and listens on it if asked to. Returns its descriptor.
int BindSocket(const std::string& path, bool listening) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  if (listening) {
    EXPECT_EQ(listen(fd, 1), 0);
  }
  return fd;
}

class CheckUnixSocketTest : public testing::Test {
 protected:
  CheckUnixSocketTest() : dir_("/tmp/engramd-sockets-" + std::to_string(getpid())) {
    std::filesystem::create_directory(dir_);
  }
  ~CheckUnixSocketTest() override { std::filesystem::remove_all(dir_); }

  const std::string dir_;
  const std::string path_ = dir_ + "/socket";
};

TEST_F(CheckUnixSocketTest, TakesAFreePath) { EXPECT_TRUE(CheckUnixSocket(path_).ok()); }

TEST_F(CheckUnixSocketTest, TakesTheSocketOfAProcessThatIsGone) {
  close(BindSocket(path_, /*listening=*/true));
  EXPECT_TRUE(CheckUnixSocket(path_).ok());
}

TEST_F(CheckUnixSocketTest, RefusesASocketThatIsInUse) {
  const int fd = BindSocket(path_, /*listening=*/true);
  const absl::Status status = CheckUnixSocket(path_);
  close(fd);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("another process listens"));
  EXPECT_THAT(std::string(status.message()), HasSubstr(path_));
}

TEST_F(CheckUnixSocketTest, RefusesWhatIsNoSocket) {
  std::ofstream(path_) << "precious";
  const absl::Status status = CheckUnixSocket(path_);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(path_));
  EXPECT_TRUE(std::filesystem::is_regular_file(path_));
}

TEST_F(CheckUnixSocketTest, RefusesAMissingDirectory) {
  const absl::Status status = CheckUnixSocket(dir_ + "/none/socket");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr(dir_ + "/none"));
}

TEST_F(CheckUnixSocketTest, RefusesALongPath) {
  const absl::Status status = CheckUnixSocket(dir_ + "/" + std::string(200, 'x'));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("107"));
}

using UnixSocketTest = CheckUnixSocketTest;

bool Connects(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM, 0));
  return connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
}

TEST_F(UnixSocketTest, ListensWithItsModeAndGoesWithItsSocket) {
  {
    const auto socket = ListeningSocket::Unix(path_, 0640);
    ASSERT_TRUE(socket.ok()) << socket.status();
    struct stat info = {};
    ASSERT_EQ(stat(path_.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777u, 0640u);
    EXPECT_EQ(socket->tcp_port(), 0);
    EXPECT_TRUE(Connects(path_));
    EXPECT_EQ(ListeningSocket::Unix(path_, 0640).status().code(),
              absl::StatusCode::kFailedPrecondition);
    EXPECT_TRUE(Connects(path_));
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(UnixSocketTest, ReplacesTheSocketOfAProcessThatIsGone) {
  close(BindSocket(path_, /*listening=*/true));
  const auto socket = ListeningSocket::Unix(path_, 0600);
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_TRUE(Connects(path_));
}

// A daemon that is slow to stop must not take away the socket of the one that follows it.
TEST_F(UnixSocketTest, LeavesTheSocketOfItsSuccessor) {
  auto first =
      std::make_unique<absl::StatusOr<ListeningSocket>>(ListeningSocket::Unix(path_, 0600));
  ASSERT_TRUE(first->ok());
  std::filesystem::rename(path_, dir_ + "/moved");
  const auto second = ListeningSocket::Unix(path_, 0600);
  ASSERT_TRUE(second.ok()) << second.status();
  first.reset();
  EXPECT_TRUE(Connects(path_));
}

TEST(TcpSocketTest, ListensOnAnyPortOrOnOneThatIsFree) {
  for (const std::string host : {"127.0.0.1", "localhost", "127.1.2.3", "[::1]"}) {
    const auto socket = ListeningSocket::Tcp(host + ":0");
    if (!socket.ok()) {
      EXPECT_EQ(host, "[::1]") << socket.status();  // not every machine has IPv6
      continue;
    }
    EXPECT_GT(socket->tcp_port(), 0) << host;
    const auto taken = ListeningSocket::Tcp(host + ":" + std::to_string(socket->tcp_port()));
    EXPECT_EQ(taken.status().code(), absl::StatusCode::kUnavailable) << host;
    EXPECT_THAT(std::string(taken.status().message()), HasSubstr("another process")) << host;
  }
}

TEST(CheckLoopbackTest, TakesAddressesOfThisMachineAlone) {
  for (const char* address : {"127.0.0.1:0", "127.9.8.7:65535", "localhost:80", "[::1]:443"}) {
    EXPECT_TRUE(CheckLoopback(address).ok()) << address;
  }
}

TEST(CheckLoopbackTest, RefusesAllOthers) {
  for (const char* address : {"0.0.0.0:80", "[::]:80", "10.0.0.1:80", "example.org:80", ":80"}) {
    const absl::Status status = CheckLoopback(address);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << address;
    EXPECT_THAT(std::string(status.message()), HasSubstr("loopback")) << address;
  }
  for (const char* address : {"", "localhost", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000",
                              "127.0.0.1:http", "localhost:-1"}) {
    const absl::Status status = CheckLoopback(address);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << address;
    EXPECT_THAT(std::string(status.message()), HasSubstr("HOST:PORT")) << address;
  }
}

}  // namespace
}  // namespace engram::server
