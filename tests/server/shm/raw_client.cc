#include "tests/server/shm/raw_client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "gtest/gtest.h"

namespace engram::server {
namespace {

static_assert(kUsualSeals == (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW));

constexpr int kPatienceMs = 60'000;

uint64_t RegionBytes(uint32_t slots, uint64_t slot_data_bytes) {
  const uint64_t bytes = shm::DataOffset(slots) + slots * slot_data_bytes;
  return (bytes + shm::kPageBytes - 1) / shm::kPageBytes * shm::kPageBytes;
}

bool Readable(int connection) {
  pollfd poll_for = {.fd = connection, .events = POLLIN, .revents = 0};
  int ready;
  do {
    ready = poll(&poll_for, 1, kPatienceMs);
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

}  // namespace

UniqueFd NewMemfd(uint64_t bytes, int seals) {
  UniqueFd memfd(memfd_create("engram-raw-client", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_TRUE(memfd.valid());
  EXPECT_EQ(ftruncate(memfd.get(), static_cast<off_t>(bytes)), 0);
  EXPECT_TRUE(seals == 0 || fcntl(memfd.get(), F_ADD_SEALS, seals) == 0) << std::strerror(errno);
  return memfd;
}

shm::AttachRequest RequestFor(uint32_t slots, uint64_t region_bytes) {
  shm::AttachRequest request = {};
  std::memcpy(request.magic, shm::kMagic, sizeof(request.magic));
  request.version = shm::kVersion;
  request.slots = slots;
  request.region_bytes = region_bytes;
  return request;
}

bool SendWithFds(int connection, const void* bytes, size_t size, const std::vector<int>& fds,
                 int flags) {
  iovec data = {.iov_base = const_cast<void*>(bytes), .iov_len = size};
  std::vector<std::byte> control(CMSG_SPACE(fds.size() * sizeof(int)));
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
  }
  return sendmsg(connection, &message, flags | MSG_NOSIGNAL) > 0;
}

std::optional<shm::AttachReply> ReceiveReply(int connection) {
  shm::AttachReply reply;
  size_t received = 0;
  while (received < sizeof(reply) && Readable(connection)) {
    const ssize_t bytes = recv(connection, reinterpret_cast<char*>(&reply) + received,
                               sizeof(reply) - received, MSG_DONTWAIT);
    if (bytes <= 0) {
      return std::nullopt;
    }
    received += static_cast<size_t>(bytes);
  }
  if (received < sizeof(reply) || reply.message_bytes > sizeof(reply.message) ||
      std::memcmp(reply.magic, shm::kMagic, sizeof(reply.magic)) != 0) {
    return std::nullopt;
  }
  return reply;
}

bool AwaitClosed(int connection) {
  char doorbells[4096];
  while (Readable(connection)) {
    const ssize_t received = recv(connection, doorbells, sizeof(doorbells), MSG_DONTWAIT);
    // A connection that is closed before all was read from it ends with an error.
    if (received == 0 || (received < 0 && errno == ECONNRESET)) {
      return true;
    }
  }
  return false;
}

bool HasHungUp(int connection) {
  pollfd poll_for = {.fd = connection, .events = POLLIN, .revents = 0};
  return poll(&poll_for, 1, 0) == 1 && (poll_for.revents & POLLHUP) != 0;
}

RawClient::RawClient(uint32_t slots, uint64_t slot_data_bytes)
    : slots_(slots),
      slot_data_bytes_(slot_data_bytes),
      region_bytes_(RegionBytes(slots, slot_data_bytes)),
      memfd_(NewMemfd(region_bytes_)) {
  void* const base =
      mmap(nullptr, region_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, memfd_.get(), 0);
  EXPECT_NE(base, MAP_FAILED);
  base_ = static_cast<std::byte*>(base);
}

absl::Status RawClient::Attach(Attachments* attachments) {
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  connection_.Reset(ends[0]);
  UniqueFd daemons(ends[1]);
  const shm::AttachRequest request = RequestFor(slots_, region_bytes_);
  EXPECT_TRUE(SendWithFds(connection(), &request, sizeof(request), {memfd_.get()}));
  attachments->Attach(std::move(daemons));
  const auto reply = ReceiveReply(connection());
  return reply.has_value() ? StatusOf(*reply) : absl::UnknownError("no answer");
}

absl::Span<std::byte> RawClient::data() const {
  const size_t start = shm::DataOffset(slots_);
  return {base_ + start, region_bytes_ - start};
}

shm::Call& RawClient::Prepare(uint32_t index, const storage::Table& table,
                              const std::vector<uint32_t>& ids) {
  const storage::TableIdentity& identity = table.identity();
  const storage::TableSpec& spec = table.spec();
  shm::Call& call = slot(index).call;
  call = {};
  call.version = identity.version;
  std::memcpy(call.digest, identity.digest.bytes.data(), sizeof(call.digest));
  call.name_bytes = static_cast<uint32_t>(identity.name.size());
  std::memcpy(call.name, identity.name.data(), identity.name.size());
  call.ids = static_cast<uint32_t>(ids.size());
  call.ids_offset = shm::DataOffset(slots_) + index * slot_data_bytes_;
  call.tiers_offset = call.ids_offset + ids.size() * sizeof(uint32_t);
  call.tiers_bytes = ids.size() / spec.group_size;
  call.rows_offset = call.tiers_offset + call.tiers_bytes;
  call.rows_bytes = ids.size() * spec.row_bytes;
  EXPECT_LE(call.rows_offset + call.rows_bytes, call.ids_offset + slot_data_bytes_);
  if (!ids.empty()) {
    std::memcpy(At(call.ids_offset), ids.data(), ids.size() * sizeof(uint32_t));
  }
  slot(index).outcome.code = ~0U;
  return call;
}

void RawClient::PushSilently(uint32_t index) {
  shm::Ring& ring = control().submitted;
  ring.entries[pushed_ % slots_].store(index, std::memory_order_relaxed);
  ring.count.store(++pushed_);
}

void RawClient::Push(uint32_t index) {
  PushSilently(index);
  shm::Ring& ring = control().submitted;
  if (ring.asleep.load() != 0 && ring.asleep.exchange(0) != 0) {
    Ring();
  }
}

void RawClient::Ring(size_t doorbells) const {
  const std::string bytes(doorbells, '!');
  send(connection(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

std::optional<uint32_t> RawClient::Take() {
  shm::Ring& ring = control().completed;
  while (completions() == taken_) {
    ring.asleep.store(1);
    if (completions() == taken_) {
      char doorbells[64];
      if (!Readable(connection()) ||
          recv(connection(), doorbells, sizeof(doorbells), MSG_DONTWAIT) <= 0) {
        return std::nullopt;
      }
    }
    ring.asleep.store(0);
  }
  return ring.entries[taken_++ % slots_].load(std::memory_order_relaxed);
}

absl::Status RawClient::Fetch(uint32_t index, const storage::Table& table,
                              const std::vector<uint32_t>& ids) {
  Prepare(index, table, ids);
  return PushAndTake(index);
}

absl::Status RawClient::PushAndTake(uint32_t index) {
  Push(index);
  const auto taken = Take();
  if (!taken.has_value()) {
    return absl::UnknownError("the daemon closed the connection, or hangs");
  }
  return *taken == index ? outcome(index) : absl::UnknownError("another slot was completed");
}

absl::Span<const std::byte> RawClient::rows(uint32_t index) const {
  const shm::Call& call = slot(index).call;
  return {At(call.rows_offset), call.rows_bytes};
}

std::vector<storage::Tier> RawClient::tiers(uint32_t index) const {
  const shm::Call& call = slot(index).call;
  const auto* const first = reinterpret_cast<const storage::Tier*>(At(call.tiers_offset));
  return {first, first + call.tiers_bytes};
}

void RawClient::Die() {
  connection_.Reset();
  memfd_.Reset();
  Unmap();
}

void RawClient::Unmap() {
  if (base_ != nullptr) {
    munmap(std::exchange(base_, nullptr), region_bytes_);
  }
}

}  // namespace engram::server
