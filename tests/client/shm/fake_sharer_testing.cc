#include "tests/client/shm/fake_sharer_testing.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "gtest/gtest.h"
#include "tests/client/client_testing.h"

namespace engram {

FakeSharer::FakeSharer() : path_(TestPath("sharer")) {
  auto socket = server::ListeningSocket::Unix(path_, 0600);
  EXPECT_TRUE(socket.ok()) << socket.status();
  socket_.emplace(*std::move(socket));
}

void FakeSharer::Accept() {
  pollfd polled = {.fd = socket_->fd(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(poll(&polled, 1, 60'000), 1);
  connection_.Reset(accept(socket_->fd(), nullptr, nullptr));
  ASSERT_TRUE(connection_.valid());
  shm::AttachRequest request = {};
  iovec data = {.iov_base = &request, .iov_len = sizeof(request)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ASSERT_EQ(recvmsg(connection_.get(), &message, MSG_CMSG_CLOEXEC),
            static_cast<ssize_t>(sizeof(request)));
  ASSERT_NE(CMSG_FIRSTHDR(&message), nullptr);
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
  const server::UniqueFd memfd(fd);
  auto region = server::Region::Map(memfd.get(), request);
  ASSERT_TRUE(region.ok()) << region.status();
  region_.emplace(*std::move(region));
}

void FakeSharer::Reply(const absl::Status& status) {
  shm::AttachReply reply = {};
  std::copy(std::begin(shm::kMagic), std::end(shm::kMagic), reply.magic);
  reply.code = static_cast<uint32_t>(status.code());
  reply.message_bytes =
      static_cast<uint32_t>(status.message().copy(reply.message, shm::kMaxMessageBytes));
  ASSERT_EQ(write(connection_.get(), &reply, sizeof(reply)), static_cast<ssize_t>(sizeof(reply)));
}

void FakeSharer::SendBytes(const std::string& bytes) {
  ASSERT_EQ(write(connection_.get(), bytes.data(), bytes.size()),
            static_cast<ssize_t>(bytes.size()));
}

bool FakeSharer::TakeDoorbell() {
  char bytes[16];
  return recv(connection_.get(), bytes, sizeof(bytes), MSG_DONTWAIT) > 0;
}

uint32_t FakeSharer::SlotOf(uint32_t submission) const {
  return region_->control().submitted.entries[submission % region_->slots()].load();
}

void FakeSharer::WriteRows(uint32_t slot, std::byte byte) {
  const shm::Call& asked = call(slot);
  const auto rows = region_->Data(asked.rows_offset, asked.rows_bytes);
  ASSERT_TRUE(rows.ok()) << rows.status();
  std::fill(rows->begin(), rows->end(), byte);
}

void FakeSharer::Complete(uint32_t slot, const absl::Status& status) {
  shm::Outcome& outcome = region_->slot(slot).outcome;
  outcome.code = static_cast<uint32_t>(status.code());
  outcome.message_bytes =
      static_cast<uint32_t>(status.message().copy(outcome.message, shm::kMaxMessageBytes));
  shm::Ring& ring = region_->control().completed;
  ring.entries[completed_ % region_->slots()].store(slot);
  ring.count.store(++completed_);
  if (ring.asleep.exchange(0) != 0) {
    SendBytes("x");
  }
}

std::shared_ptr<SharedLink> MustLink(FakeSharer& sharer, absl::Duration patience) {
  auto heap = SharedHeap::Create(uint64_t{1} << 20, /*slots=*/4);
  EXPECT_TRUE(heap.ok()) << heap.status();
  auto link = SharedLink::Request(sharer.path(), *std::move(heap), patience);
  EXPECT_TRUE(link.ok()) << link.status();
  sharer.Accept();
  sharer.Reply(absl::OkStatus());
  EXPECT_EQ((*link)->Finish(absl::InfiniteFuture()), absl::OkStatus());
  return *std::move(link);
}

}  // namespace engram
