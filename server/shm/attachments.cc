#include "server/shm/attachments.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/shm/region.h"
#include "server/status_conversion.h"
#include "spdlog/spdlog.h"

namespace engram::server {
namespace {

// The descriptor that came with a message, if it was one.
UniqueFd PassedDescriptor(msghdr* message) {
  UniqueFd passed;
  for (cmsghdr* c = CMSG_FIRSTHDR(message); c != nullptr; c = CMSG_NXTHDR(message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
      UniqueFd owned(fd);
      if (count == 1) {
        passed = std::move(owned);
      }
    }
  }
  return passed;
}

// Receives an attach request and the memfd that comes with it.
absl::StatusOr<UniqueFd> ReceiveRequest(int connection, shm::AttachRequest* request) {
  iovec data = {.iov_base = request, .iov_len = sizeof(*request)};
  alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const ssize_t received = recvmsg(connection, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  UniqueFd memfd = received < 0 ? UniqueFd() : PassedDescriptor(&message);
  if (received != sizeof(*request) ||
      std::memcmp(request->magic, shm::kMagic, sizeof(shm::kMagic)) != 0) {
    return absl::InvalidArgumentError("the message is no attach request");
  }
  if (request->version != shm::kVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the client shares memory by version ", request->version,
                     " of the layout, and the daemon by version ", shm::kVersion));
  }
  if ((message.msg_flags & MSG_CTRUNC) != 0 || !memfd.valid()) {
    return absl::InvalidArgumentError("the attach request must pass one descriptor");
  }
  return memfd;
}

void SendReply(int connection, const absl::Status& status) {
  shm::AttachReply reply = {};
  std::copy(std::begin(shm::kMagic), std::end(shm::kMagic), reply.magic);
  reply.code = static_cast<uint32_t>(status.code());
  reply.message_bytes =
      static_cast<uint32_t>(status.message().copy(reply.message, shm::kMaxMessageBytes));
  send(connection, &reply, sizeof(reply), MSG_DONTWAIT | MSG_NOSIGNAL);
}

// "process 123 of user 0"
std::string PeerName(int connection) {
  ucred peer = {};
  socklen_t size = sizeof(peer);
  if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return "a process without a name";
  }
  return absl::StrCat("process ", peer.pid, " of user ", peer.uid);
}

}  // namespace

void Attachments::Attach(UniqueFd connection) {
  // The attachment's thread waits for doorbells. No flag of the client's end is changed by this.
  fcntl(connection.get(), F_SETFL, fcntl(connection.get(), F_GETFL) & ~O_NONBLOCK);
  shm::AttachRequest request = {};
  const auto memfd = ReceiveRequest(connection.get(), &request);
  absl::Status status = memfd.status();
  if (status.ok()) {
    status = Start(&connection, *memfd, request);
  }
  if (!status.ok()) {
    spdlog::warn("{} may not share memory: {}", PeerName(connection.get()),
                 std::string(status.message()));
    SendReply(connection.get(), status);
  }
}

absl::Status Attachments::Start(UniqueFd* connection, const UniqueFd& memfd,
                                const shm::AttachRequest& request) {
  if (request.region_bytes > limits_.bytes) {
    return absl::ResourceExhaustedError(absl::StrCat("a region of ", request.region_bytes,
                                                     " bytes is over the limit of ", limits_.bytes,
                                                     " bytes of shared memory"));
  }
  auto region = Region::Map(memfd.get(), request);
  if (!region.ok()) {
    return region.status();
  }
  auto attachment = std::make_unique<Attachment>(connection->get(), *std::move(region), handler_);
  if (absl::Status status = Add(attachment.get(), request.region_bytes); !status.ok()) {
    return status;
  }
  try {
    std::thread([this, attachment = attachment.get(), fd = connection->get(),
                 bytes = request.region_bytes] {
      Run(absl::WrapUnique(attachment), UniqueFd(fd), bytes);
    }).detach();
  } catch (const std::system_error& error) {
    Forget(attachment.get());
    Release(request.region_bytes);
    return absl::ResourceExhaustedError(absl::StrCat("no thread to be had: ", error.what()));
  }
  // They are the thread's.
  static_cast<void>(attachment.release());
  connection->Release();
  return absl::OkStatus();
}

absl::Status Attachments::Add(Attachment* attachment, uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  if (stopping_) {
    return StoppingError();
  }
  if (stats_.attachments == limits_.attachments) {
    return absl::ResourceExhaustedError(
        absl::StrCat(stats_.attachments, " clients share memory, as many as may at once"));
  }
  if (bytes > limits_.bytes - stats_.bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(bytes, " bytes more are over the limit of ", limits_.bytes,
                     " bytes of shared memory, of which ", stats_.bytes, " are in use"));
  }
  ++stats_.attachments;
  stats_.bytes += bytes;
  attached_.insert(attachment);
  return absl::OkStatus();
}

void Attachments::Run(std::unique_ptr<Attachment> attachment, UniqueFd connection, uint64_t bytes) {
  const std::string peer = PeerName(connection.get());
  spdlog::info("{} shares {:.1f} MiB of memory", peer, static_cast<double>(bytes) / (1 << 20));
  SendReply(connection.get(), absl::OkStatus());
  const absl::Status status = attachment->Serve();
  Forget(attachment.get());
  attachment.reset();
  // What the client sees last: from here on nothing is written to its memory.
  connection.Reset();
  if (status.ok()) {
    spdlog::info("{} shares no memory any more", peer);
  } else {
    spdlog::warn("{} broke the rules of shared memory: {}", peer, std::string(status.message()));
  }
  Release(bytes);
}

void Attachments::Forget(Attachment* attachment) {
  absl::MutexLock lock(&mutex_);
  attached_.erase(attachment);
}

void Attachments::Release(uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  --stats_.attachments;
  stats_.bytes -= bytes;
}

Attachments::Stats Attachments::stats() const {
  absl::MutexLock lock(&mutex_);
  return stats_;
}

void Attachments::Stop() {
  absl::MutexLock lock(&mutex_);
  stopping_ = true;
  for (Attachment* attachment : attached_) {
    attachment->Stop();
  }
  const auto none = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stats_.attachments == 0; };
  mutex_.Await(absl::Condition(&none));
}

}  // namespace engram::server
