#include "server/acceptor.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace engram::server {
namespace {

UniqueFd NewSocket() { return UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

void Say(const UniqueFd& fd, const std::string& bytes) {
  ASSERT_EQ(write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
}

bool Connect(const UniqueFd& fd, const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  return connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
}

class AcceptorTest : public testing::Test {
 protected:
  AcceptorTest() : dir_("/tmp/engramd-acceptor-" + std::to_string(getpid())) {
    std::filesystem::create_directory(dir_);
  }
  ~AcceptorTest() override { std::filesystem::remove_all(dir_); }

  std::unique_ptr<Acceptor> StartAcceptor(absl::Duration patience = absl::Hours(1)) {
    std::vector<ListeningSocket> sockets;
    for (const char* name : {"a", "b"}) {
      auto socket = ListeningSocket::Unix(dir_ + "/" + name, 0600);
      EXPECT_TRUE(socket.ok()) << socket.status();
      sockets.push_back(*std::move(socket));
    }
    auto acceptor = Acceptor::Start(
        std::move(sockets),
        [this](UniqueFd connection, char first_byte) {
          absl::MutexLock lock(&mutex_);
          accepted_.push_back(std::move(connection));
          first_bytes_.push_back(first_byte);
        },
        patience);
    EXPECT_TRUE(acceptor.ok()) << acceptor.status();
    return *std::move(acceptor);
  }

  void AwaitAccepted(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return accepted_.size() >= count;
    };
    mutex_.Await(absl::Condition(&enough));
    EXPECT_EQ(accepted_.size(), count);
  }

  // What the other end sent is what this end receives.
  void ExpectConnected(const UniqueFd& fd, size_t accepted) {
    absl::MutexLock lock(&mutex_);
    ASSERT_LT(accepted, accepted_.size());
    char byte = 'x';
    ASSERT_EQ(write(accepted_[accepted].get(), &byte, 1), 1);
    byte = 0;
    ASSERT_EQ(read(fd.get(), &byte, 1), 1);
    EXPECT_EQ(byte, 'x');
  }

  const std::string dir_;
  absl::Mutex mutex_;
  std::vector<UniqueFd> accepted_ ABSL_GUARDED_BY(mutex_);
  std::string first_bytes_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(AcceptorTest, AcceptsFromAllSockets) {
  const auto acceptor = StartAcceptor();
  const UniqueFd first = NewSocket();
  ASSERT_TRUE(Connect(first, dir_ + "/a"));
  Say(first, "PRI");
  AwaitAccepted(1);
  const UniqueFd second = NewSocket();
  ASSERT_TRUE(Connect(second, dir_ + "/b"));
  Say(second, "E");
  AwaitAccepted(2);
  ExpectConnected(first, 0);
  ExpectConnected(second, 1);
  absl::MutexLock lock(&mutex_);
  EXPECT_EQ(first_bytes_, "PE");
  char bytes[4] = {};
  EXPECT_EQ(read(accepted_[0].get(), bytes, sizeof(bytes)), 3) << "what was looked at is gone";
}

TEST_F(AcceptorTest, AConnectionThatSaysNothingHoldsUpNoOther) {
  const auto acceptor = StartAcceptor();
  const UniqueFd silent = NewSocket();
  ASSERT_TRUE(Connect(silent, dir_ + "/a"));
  const UniqueFd other = NewSocket();
  ASSERT_TRUE(Connect(other, dir_ + "/a"));
  Say(other, "P");
  AwaitAccepted(1);
  Say(silent, "P");
  AwaitAccepted(2);
  ExpectConnected(silent, 1);
}

TEST_F(AcceptorTest, ClosesConnectionsThatSayNothing) {
  const auto acceptor = StartAcceptor(/*patience=*/absl::Milliseconds(20));
  const UniqueFd silent = NewSocket();
  ASSERT_TRUE(Connect(silent, dir_ + "/a"));
  char byte = 0;
  EXPECT_EQ(read(silent.get(), &byte, 1), 0);
}

TEST_F(AcceptorTest, OfManySilentConnectionsTheOldestGo) {
  const auto acceptor = StartAcceptor();
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 257; ++i) {
    silent.push_back(NewSocket());
    ASSERT_TRUE(Connect(silent.back(), dir_ + "/a"));
  }
  char byte = 0;
  EXPECT_EQ(read(silent.front().get(), &byte, 1), 0);
  for (size_t i = 1; i < silent.size(); ++i) {
    Say(silent[i], "P");
  }
  AwaitAccepted(256);
}

TEST_F(AcceptorTest, NoLongerListensWhenItIsGone) {
  auto acceptor = StartAcceptor();
  acceptor.reset();
  EXPECT_FALSE(Connect(NewSocket(), dir_ + "/a"));
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/a"));
}

// The highest descriptor of this process.
rlim_t HighestDescriptor() {
  rlim_t highest = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    highest = std::max<rlim_t>(highest, std::stoul(entry.path().filename().string()));
  }
  return highest;
}

TEST_F(AcceptorTest, TurnsConnectionsAwayWhileDescriptorsAreShort) {
  const auto acceptor = StartAcceptor();
  const std::string path = dir_ + "/a";
  const UniqueFd clients[] = {NewSocket(), NewSocket(), NewSocket(), NewSocket()};
  // Fill the holes below the highest, so that the limit leaves none.
  std::vector<UniqueFd> fillers;
  const rlim_t highest = HighestDescriptor();
  do {
    fillers.emplace_back(dup(clients[0].get()));
  } while (static_cast<rlim_t>(fillers.back().get()) < highest);
  rlimit old = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
  const rlimit low = {.rlim_cur = static_cast<rlim_t>(fillers.back().get()) + 1,
                      .rlim_max = old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  // No check before there are descriptors again: sanitizers need some themselves.
  bool connected[3] = {};
  ssize_t received[3] = {};
  for (size_t i = 0; i < 3; ++i) {
    connected[i] = Connect(clients[i], path);
    char byte = 0;
    received[i] = read(clients[i].get(), &byte, 1);
  }
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
  EXPECT_THAT(connected, testing::Each(true));
  EXPECT_THAT(received, testing::Each(0)) << "a connection was not turned away";
  ASSERT_TRUE(Connect(clients[3], dir_ + "/a"));
  Say(clients[3], "P");
  AwaitAccepted(1);
  ExpectConnected(clients[3], 0);
}

}  // namespace
}  // namespace engram::server
