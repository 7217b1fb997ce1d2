// Who may share memory with the daemon, and how it ends. What attached clients do is attachment's.
#include "server/shm/attachments.h"

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/shm/attachments_testing.h"
#include "tests/server/shm/raw_client.h"

namespace engram::server {
namespace {

using absl::StatusCode;

uint64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t pages = 0;
  statm >> pages >> pages;
  return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

class AttachmentsTest : public SharedMemoryTest {
 protected:
  AttachmentsTest() { StartStore(kAllInRam); }

  // Sends the message with the descriptors, and expects that it is answered with an error, that the
  // connection is closed, and that no descriptor stays.
  void ExpectRefused(const void* message, size_t bytes, const std::vector<int>& fds,
                     StatusCode code, const std::string& part) {
    const size_t descriptors = CountDescriptors();
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const UniqueFd connection(ends[0]);
    UniqueFd daemons(ends[1]);
    ASSERT_TRUE(SendWithFds(connection.get(), message, bytes, fds));
    attachments_->Attach(std::move(daemons));
    const auto reply = ReceiveReply(connection.get());
    ASSERT_TRUE(reply.has_value()) << part;
    EXPECT_THAT(StatusOf(*reply), Fails(code, part)) << StatusOf(*reply);
    EXPECT_TRUE(AwaitClosed(connection.get()));
    EXPECT_EQ(CountDescriptors(), descriptors + 1) << "beside this end";
    EXPECT_EQ(attachments_->stats().attachments, 0U);
    EXPECT_EQ(attachments_->stats().bytes, 0U);
  }

  void ExpectRefused(const shm::AttachRequest& request, const std::vector<int>& fds,
                     StatusCode code, const std::string& part) {
    ExpectRefused(&request, sizeof(request), fds, code, part);
  }

  static constexpr uint64_t kBytes = 1 << 20;
};

TEST_F(AttachmentsTest, RefusesWhatIsNoAttachRequest) {
  const UniqueFd memfd = NewMemfd(kBytes);
  const int fd = memfd.get();
  shm::AttachRequest request = RequestFor(8, kBytes);
  ExpectRefused(&request, sizeof(request) - 1, {fd}, StatusCode::kInvalidArgument, "no attach");
  ExpectRefused(&request, 1, {fd}, StatusCode::kInvalidArgument, "no attach request");
  ExpectRefused(&request, 1, {fd, fd, fd, fd}, StatusCode::kInvalidArgument, "no attach request");
  request.magic[7] = 'X';
  ExpectRefused(request, {fd}, StatusCode::kInvalidArgument, "no attach request");
  const std::string junk(10'000, 'E');
  ExpectRefused(junk.data(), junk.size(), {fd}, StatusCode::kInvalidArgument, "no attach request");
}

TEST_F(AttachmentsTest, RefusesAnotherVersionOfTheLayout) {
  const UniqueFd memfd = NewMemfd(kBytes);
  shm::AttachRequest request = RequestFor(8, kBytes);
  for (const uint32_t version : {0U, shm::kVersion + 1, 0xFFFFFFFFU}) {
    request.version = version;
    ExpectRefused(request, {memfd.get()}, StatusCode::kFailedPrecondition,
                  "version " + std::to_string(version));
  }
}

TEST_F(AttachmentsTest, RefusesAnythingButOneDescriptor) {
  const UniqueFd memfd = NewMemfd(kBytes);
  const int fd = memfd.get();
  const shm::AttachRequest request = RequestFor(8, kBytes);
  ExpectRefused(request, {}, StatusCode::kInvalidArgument, "one descriptor");
  for (const size_t count : {2, 3, 4, 253}) {  // the last is as many as can be passed
    ExpectRefused(request, std::vector<int>(count, fd), StatusCode::kInvalidArgument,
                  "one descriptor");
  }
}

TEST_F(AttachmentsTest, RefusesARegionThatCannotBeMapped) {
  const UniqueFd unsealed = NewMemfd(kBytes, 0);
  const shm::AttachRequest request = RequestFor(8, kBytes);
  ExpectRefused(request, {unsealed.get()}, StatusCode::kInvalidArgument, "sealed against");
  const UniqueFd memfd = NewMemfd(kBytes);
  ExpectRefused(RequestFor(8, kBytes - 4096), {memfd.get()}, StatusCode::kInvalidArgument, "bytes");
  ExpectRefused(RequestFor(7, kBytes), {memfd.get()}, StatusCode::kInvalidArgument, "7 slots");
  EXPECT_EQ(CountMappings("engram-raw-client"), 0U);
}

TEST_F(AttachmentsTest, RefusesAClientThatIsGoneAlready) {
  const size_t descriptors = CountDescriptors();
  for (const bool whole : {false, true}) {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    UniqueFd connection(ends[0]);
    const UniqueFd memfd = NewMemfd(kBytes);
    const shm::AttachRequest request = RequestFor(8, kBytes);
    ASSERT_TRUE(
        SendWithFds(connection.get(), &request, whole ? sizeof(request) : 1, {memfd.get()}));
    connection.Reset();
    attachments_->Attach(UniqueFd(ends[1]));
  }
  AwaitNoAttachments();
  EXPECT_EQ(CountDescriptors(), descriptors);
}

TEST_F(AttachmentsTest, LimitsTheBytesOfAllRegions) {
  RawClient first;
  SetLimits({.bytes = 2 * first.region_bytes()});
  ASSERT_TRUE(first.Attach(attachments_.get()).ok());
  RawClient large(8, 512 << 10);
  EXPECT_THAT(large.Attach(attachments_.get()), Fails(StatusCode::kResourceExhausted, "in use"));
  RawClient larger(8, 1 << 20);
  EXPECT_THAT(larger.Attach(attachments_.get()),
              Fails(StatusCode::kResourceExhausted, "over the limit of"));
  RawClient second;
  ASSERT_TRUE(second.Attach(attachments_.get()).ok());
  EXPECT_EQ(attachments_->stats().bytes, 2 * first.region_bytes());
  EXPECT_EQ(attachments_->stats().attachments, 2U);
  RawClient least(1, 1);
  EXPECT_THAT(least.Attach(attachments_.get()), Fails(StatusCode::kResourceExhausted, "in use"));
  EXPECT_TRUE(AwaitClosed(least.connection()));

  FetchAndExpect(&first, {1});
  FetchAndExpect(&second, {2});
  first.Die();
  second.Die();
  AwaitNoAttachments();
  RawClient exact(8, 512 << 10);
  SetLimits({.bytes = exact.region_bytes()});
  ASSERT_TRUE(exact.Attach(attachments_.get()).ok());
  FetchAndExpect(&exact, {3});
}

TEST_F(AttachmentsTest, WithoutBytesNobodyMayAttach) {
  SetLimits({.bytes = 0});
  RawClient client(1, 1);
  EXPECT_THAT(client.Attach(attachments_.get()),
              Fails(StatusCode::kResourceExhausted, "limit of 0 bytes"));
}

TEST_F(AttachmentsTest, LimitsTheNumberOfAttachments) {
  SetLimits({.bytes = 64 << 20, .attachments = 2});
  const auto first = NewClient();
  const auto second = NewClient();
  RawClient third;
  EXPECT_THAT(third.Attach(attachments_.get()),
              Fails(StatusCode::kResourceExhausted, "2 clients share memory"));
  EXPECT_TRUE(AwaitClosed(third.connection()));
  FetchAndExpect(first.get(), {1});
  first->Die();
  ASSERT_TRUE(AwaitTrue([&] { return attachments_->stats().attachments == 1; }));
  EXPECT_EQ(attachments_->stats().bytes, second->region_bytes());
  ASSERT_TRUE(third.Attach(attachments_.get()).ok());
  FetchAndExpect(&third, {3});
  FetchAndExpect(second.get(), {2});
}

TEST_F(AttachmentsTest, StopWaitsForFetchesUnderWay) {
  const auto client = NewClient();
  gate_.Close();
  const std::vector<uint32_t> ids = Ids(100, 1);
  client->Prepare(5, *table_, ids);
  client->Push(5);
  gate_.AwaitWaiting(1);
  std::atomic<bool> stopped{false};
  std::thread stopping([&] {
    attachments_->Stop();
    stopped = true;
  });
  // The daemon hears no doorbells any more, but the fetch's memory is not let go of.
  EXPECT_TRUE(AwaitTrue([&] {
    return send(client->connection(), "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EPIPE;
  }));
  EXPECT_FALSE(stopped);
  char byte;
  EXPECT_EQ(recv(client->connection(), &byte, 1, MSG_DONTWAIT), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(attachments_->stats().attachments, 1U);
  gate_.Open();
  EXPECT_EQ(client->Take(), std::optional<uint32_t>(5));
  ExpectFetched(client.get(), 5, ids);
  stopping.join();
  EXPECT_TRUE(AwaitClosed(client->connection()));
  EXPECT_EQ(attachments_->stats().attachments, 0U);
}

TEST_F(AttachmentsTest, AfterStopNobodyMayAttach) {
  const auto client = NewClient();
  attachments_->Stop();
  EXPECT_TRUE(AwaitClosed(client->connection()));
  const size_t descriptors = CountDescriptors();
  RawClient late;
  EXPECT_EQ(late.Attach(attachments_.get()).code(), StatusCode::kUnavailable);
  EXPECT_TRUE(AwaitClosed(late.connection()));
  EXPECT_EQ(CountDescriptors(), descriptors + 2) << "its own memfd and connection";
  attachments_->Stop();
}

// One busy client cannot keep the daemon from stopping.
TEST_F(AttachmentsTest, StopNeedsNoPauseOfAClient) {
  RawClient client(shm::kMaxSlots, 320 << 10);
  ASSERT_TRUE(client.Attach(attachments_.get()).ok());
  const std::vector<uint32_t> ids = Ids(1000, 1);  // work for longer than the client ever pauses
  FetchAndExpect(&client, ids);
  for (uint32_t slot = 0; slot < client.slots(); ++slot) {
    client.Prepare(slot, *table_, ids);
    client.Push(slot);
  }
  std::thread stopping;
  uint32_t served_after_stop = 0;
  while (served_after_stop <= 10 * client.slots()) {
    const auto slot = client.Take();
    if (!slot.has_value()) {
      break;
    }
    client.Push(*slot);
    if (!stopping.joinable()) {
      stopping = std::thread([&] { attachments_->Stop(); });
    }
    const bool heard = send(client.connection(), "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
    served_after_stop += heard || errno != EPIPE ? 0 : 1;
  }
  EXPECT_LE(served_after_stop, 2 * client.slots()) << "what it had taken, and no more";
  stopping.join();
  EXPECT_TRUE(AwaitClosed(client.connection()));
}

TEST_F(AttachmentsTest, StopMeetsClientsThatComeAndGo) {
  for (int round = 0; round < 20; ++round) {
    SetLimits({.bytes = 64 << 20});
    std::vector<std::thread> threads;
    std::atomic<int> attached{0};
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&] {
        for (;;) {
          RawClient client(2, 1024);
          const absl::Status status = client.Attach(attachments_.get());
          if (!status.ok()) {
            EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status;
            return;
          }
          ++attached;
          client.Fetch(0, *table_, {1}).IgnoreError();
        }
      });
    }
    EXPECT_TRUE(AwaitTrue([&] { return attached > 3; }));
    attachments_->Stop();
    EXPECT_EQ(attachments_->stats().attachments, 0U);
    for (std::thread& thread : threads) {
      thread.join();
    }
  }
  EXPECT_EQ(CountMappings("engram-raw-client"), 0U);
}

TEST_F(AttachmentsTest, NothingIsLeftOfTenThousandClients) {
  const auto attach_and_detach = [&](int times) {
    for (int i = 0; i < times; ++i) {
      RawClient client(2, 4096);
      ASSERT_TRUE(client.Attach(attachments_.get()).ok());
      if (i % 4 == 0) {
        ASSERT_TRUE(client.Fetch(0, *table_, {static_cast<uint32_t>(i) % 100}).ok());
      }
      client.Die();
      AwaitNoAttachments();
    }
  };
  attach_and_detach(500);
  const size_t descriptors = CountDescriptors();
  const size_t mappings = CountMappings("");
  const uint64_t resident = ResidentBytes();
  attach_and_detach(storage::kSanitized ? 1000 : 10'000);
  EXPECT_EQ(CountDescriptors(), descriptors);
  EXPECT_EQ(CountMappings("engram-raw-client"), 0U);
  // Stacks of threads that have just ended, and the arenas of their memory, may come and go.
  EXPECT_LT(CountMappings(""), mappings + 100);
  if (!storage::kSanitized) {
    EXPECT_LT(ResidentBytes(), resident + (16 << 20));
  }
}

}  // namespace
}  // namespace engram::server
