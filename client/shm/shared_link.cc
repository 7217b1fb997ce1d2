#include "client/shm/shared_link.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/types/span.h"

namespace engram {
namespace {

// Sends the request, and with it the memfd.
bool SendRequest(int connection, const SharedHeap& heap) {
  shm::AttachRequest request = {
      .magic = {}, .version = shm::kVersion, .slots = heap.slots(), .region_bytes = heap.bytes()};
  std::copy(std::begin(shm::kMagic), std::end(shm::kMagic), request.magic);
  iovec data = {.iov_base = &request, .iov_len = sizeof(request)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* const passed = CMSG_FIRSTHDR(&message);
  passed->cmsg_level = SOL_SOCKET;
  passed->cmsg_type = SCM_RIGHTS;
  passed->cmsg_len = CMSG_LEN(sizeof(int));
  const int memfd = heap.memfd();
  std::memcpy(CMSG_DATA(passed), &memfd, sizeof(memfd));
  return sendmsg(connection, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(request);
}

pollfd Readable(int descriptor) { return {.fd = descriptor, .events = POLLIN, .revents = 0}; }

// Whether something, or the end, can be read from one of them before `deadline`.
bool AwaitReadable(absl::Span<pollfd> polled, absl::Time deadline) {
  const absl::Duration left = std::max(deadline - absl::Now(), absl::ZeroDuration());
  const timespec timeout = absl::ToTimespec(std::min(left, absl::Hours(1)));
  return ppoll(polled.data(), polled.size(), &timeout, nullptr) > 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SharedLink>> SharedLink::Request(const std::string& path,
                                                                std::shared_ptr<SharedHeap> heap,
                                                                absl::Duration patience) {
  const int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (connection < 0) {
    return absl::UnavailableError(absl::StrCat("no socket to be had: ", std::strerror(errno)));
  }
  const int interrupts = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (interrupts < 0) {
    absl::Status status =
        absl::UnavailableError(absl::StrCat("no eventfd to be had: ", std::strerror(errno)));
    close(connection);
    return status;
  }
  heap->ResetRings();
  auto link = absl::WrapUnique(new SharedLink(connection, interrupts, std::move(heap), patience));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof(address.sun_path) - 1));
  if (connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      !SendRequest(connection, *link->heap_)) {
    return absl::UnavailableError(absl::StrCat(path, ": ", std::strerror(errno)));
  }
  return link;
}

SharedLink::SharedLink(int connection, int interrupts, std::shared_ptr<SharedHeap> heap,
                       absl::Duration patience)
    : connection_(connection),
      interrupts_(interrupts),
      heap_(std::move(heap)),
      patience_(patience),
      slots_(heap_->slots()) {
  for (uint32_t slot = heap_->slots(); slot > 0; --slot) {
    free_slots_.push_back(slot - 1);
  }
}

SharedLink::~SharedLink() {
  close(connection_);
  close(interrupts_);
}

absl::Status SharedLink::Finish(absl::Time deadline) {
  pollfd reply_there = Readable(connection_);
  if (!AwaitReadable(absl::MakeSpan(&reply_there, 1), deadline)) {
    return absl::DeadlineExceededError("the daemon does not answer");
  }
  shm::AttachReply reply = {};
  const ssize_t received = recv(connection_, &reply, sizeof(reply), MSG_DONTWAIT);
  if (received != sizeof(reply) ||
      std::memcmp(reply.magic, shm::kMagic, sizeof(shm::kMagic)) != 0) {
    return absl::UnavailableError("the daemon shares no memory");
  }
  if (reply.code != 0) {
    return {
        static_cast<absl::StatusCode>(reply.code),
        std::string(reply.message, std::min<size_t>(reply.message_bytes, shm::kMaxMessageBytes))};
  }
  return absl::OkStatus();
}

std::optional<uint32_t> SharedLink::Submit(const shm::Call& call) {
  shm::Ring& ring = heap_->control().submitted;
  uint32_t slot = 0;
  {
    absl::MutexLock lock(&mutex_);
    TakeCompletions();
    if (lost_ || free_slots_.empty()) {
      return std::nullopt;
    }
    slot = free_slots_.back();
    free_slots_.pop_back();
    heap_->slot(slot).cancelled.store(0, std::memory_order_relaxed);
    std::memcpy(&heap_->slot(slot).call, &call, offsetof(shm::Call, name) + call.name_bytes);
    shm::Push(&ring, heap_->slots(), slot, &submitted_);
  }
  if (shm::MustRing(&ring)) {
    RingDoorbell();
  }
  return slot;
}

void SharedLink::Cancel(uint32_t slot) {
  heap_->slot(slot).cancelled.store(1, std::memory_order_relaxed);
}

void SharedLink::RingDoorbell() const { send(connection_, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL); }

SharedLink::Progress SharedLink::ProgressOf(uint32_t slot) const {
  return slots_[slot].done ? Progress::kDone : lost_ ? Progress::kLost : Progress::kPending;
}

SharedLink::Progress SharedLink::Poll(uint32_t slot) {
  absl::MutexLock lock(&mutex_);
  TakeCompletions();
  // Whoever only polls must learn of the end, too.
  if (ProgressOf(slot) == Progress::kPending && !watching_ && !TakeDoorbells()) {
    TakeCompletions();
    lost_ = true;
  }
  return ProgressOf(slot);
}

SharedLink::Progress SharedLink::Await(uint32_t slot, absl::Time deadline) {
  absl::MutexLock lock(&mutex_);
  while (true) {
    TakeCompletions();
    const Progress progress = ProgressOf(slot);
    if (progress != Progress::kPending || absl::Now() >= deadline) {
      return progress;
    }
    if (!watching_) {
      Watch(deadline);
      continue;
    }
    const auto wake = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return !watching_ || ProgressOf(slot) != Progress::kPending;
    };
    mutex_.AwaitWithDeadline(absl::Condition(&wake), deadline);
  }
}

uint32_t SharedLink::AwaitMore(uint32_t seen, absl::Time deadline) {
  absl::MutexLock lock(&mutex_);
  TakeCompletions();
  while (taken_ == seen && !lost_ && !interrupted_ && absl::Now() < deadline) {
    if (!watching_) {
      Watch(deadline);
      continue;
    }
    const auto wake = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return !watching_ || taken_ != seen || lost_ || interrupted_;
    };
    mutex_.AwaitWithDeadline(absl::Condition(&wake), deadline);
  }
  interrupted_ = false;
  return taken_;
}

void SharedLink::Interrupt() {
  absl::MutexLock lock(&mutex_);
  interrupted_ = true;
  if (watching_) {
    eventfd_write(interrupts_, 1);
  }
}

void SharedLink::Watch(absl::Time deadline) {
  watching_ = true;
  const uint32_t taken = taken_;
  mutex_.Unlock();
  const std::atomic<uint32_t>& awake = heap_->control().awake;
  const absl::Time slow_from = absl::Now() + patience_;
  bool connected = AwaitCompletion(taken, std::min(deadline, slow_from));
  bool hung = false;
  if (const absl::Time now = absl::Now(); connected &&
                                          heap_->control().completed.count.load() == taken &&
                                          now >= slow_from && now < deadline) {
    // Slow, or hanging: it is woken, and has as long again to say so.
    const uint32_t woken = awake.load(std::memory_order_relaxed);
    const absl::Time patience_ends = absl::Now() + patience_;
    RingDoorbell();
    connected = AwaitCompletion(taken, std::min(deadline, patience_ends));
    hung = awake.load(std::memory_order_relaxed) == woken && absl::Now() >= patience_ends;
  }
  mutex_.Lock();
  watching_ = false;
  TakeCompletions();
  if (taken_ == taken) {
    hung_ = hung && connected;
    lost_ = hung || !connected;
  } else if (!connected) {
    lost_ = true;
  }
}

bool SharedLink::AwaitCompletion(uint32_t taken, absl::Time deadline) {
  shm::Ring& ring = heap_->control().completed;
  if (shm::SpinForPush(ring, taken, deadline, &spin_habit_)) {
    return true;
  }
  bool connected = true;
  ring.asleep.store(1);
  pollfd polled[] = {Readable(connection_), Readable(interrupts_)};
  if (ring.count.load() == taken && AwaitReadable(absl::MakeSpan(polled), deadline)) {
    connected = TakeDoorbells();
    if (polled[1].revents != 0) {
      eventfd_t interrupts = 0;
      eventfd_read(interrupts_, &interrupts);
    }
  }
  ring.asleep.store(0);
  return connected;
}

bool SharedLink::TakeDoorbells() const {
  char doorbells[64];
  const ssize_t received = recv(connection_, doorbells, sizeof(doorbells), MSG_DONTWAIT);
  return received > 0 || (received < 0 && (errno == EAGAIN || errno == EINTR));
}

void SharedLink::TakeCompletions() {
  if (lost_) {
    return;  // the memory may serve another link by now
  }
  shm::Ring& ring = heap_->control().completed;
  while (ring.count.load(std::memory_order_acquire) != taken_) {
    const uint32_t slot =
        ring.entries[taken_ % heap_->slots()].load(std::memory_order_relaxed) % heap_->slots();
    ++taken_;
    if (slots_[slot].abandoned) {
      Free(&slots_[slot]);
    } else {
      // A copy, because the memory may serve another link by the time it is asked for.
      slots_[slot].outcome = ReadOutcome(slot);
      slots_[slot].done = true;
    }
  }
}

absl::Status SharedLink::ReadOutcome(uint32_t slot) const {
  const shm::Outcome& outcome = heap_->slot(slot).outcome;
  return {static_cast<absl::StatusCode>(outcome.code),
          absl::string_view(outcome.message,
                            std::min<size_t>(outcome.message_bytes, shm::kMaxMessageBytes))};
}

absl::Status SharedLink::Outcome(uint32_t slot) const {
  absl::MutexLock lock(&mutex_);
  return slots_[slot].outcome;
}

void SharedLink::Free(Slot* slot) {
  *slot = Slot();
  free_slots_.push_back(static_cast<uint32_t>(slot - slots_.data()));
}

void SharedLink::ReleaseSlot(uint32_t slot) {
  absl::MutexLock lock(&mutex_);
  Free(&slots_[slot]);
}

void SharedLink::Abandon(uint32_t slot, std::vector<SharedHeap::Block> blocks) {
  absl::MutexLock lock(&mutex_);
  TakeCompletions();
  if (ProgressOf(slot) != Progress::kPending && !hung_) {
    Free(&slots_[slot]);
    return;
  }
  slots_[slot].abandoned = true;
  slots_[slot].blocks = std::move(blocks);
}

bool SharedLink::lost() const {
  absl::MutexLock lock(&mutex_);
  return lost_;
}

bool SharedLink::hung() const {
  absl::MutexLock lock(&mutex_);
  return hung_;
}

}  // namespace engram
