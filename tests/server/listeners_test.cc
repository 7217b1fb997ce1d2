#include "server/listeners.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
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
  CheckUnixSocketTest() : dir_("/tmp/engramd-listeners-" + std::to_string(getpid())) {
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
