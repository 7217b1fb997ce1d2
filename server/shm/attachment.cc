#include "server/shm/attachment.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"

namespace engram::server {
namespace {

// Of larger fetches the memory of their ids is not kept for the next one.
constexpr size_t kKeptIds = 16 << 10;

// The fixed part of a call, and its name, each read once from memory that the client can change.
struct CallCopy {
  explicit CallCopy(const shm::Call& shared) {
    const volatile shm::Call& once = shared;
    version = once.version;
    ids_offset = once.ids_offset;
    rows_offset = once.rows_offset;
    rows_bytes = once.rows_bytes;
    tiers_offset = once.tiers_offset;
    tiers_bytes = once.tiers_bytes;
    deadline_us = once.deadline_us;
    needed_us = once.needed_us;
    flags = once.flags;
    ids = once.ids;
    const uint32_t name_bytes = once.name_bytes;
    name.assign(shared.name, std::min<size_t>(name_bytes, shm::kMaxNameBytes));
    digest.assign(reinterpret_cast<const char*>(shared.digest), sizeof(shared.digest));
    if (digest == std::string(sizeof(shared.digest), '\0')) {
      digest.clear();
    }
  }

  uint64_t version, ids_offset, rows_offset, rows_bytes, tiers_offset, tiers_bytes;
  uint64_t deadline_us, needed_us;
  uint32_t flags, ids;
  std::string name;
  std::string digest;
};

}  // namespace

void Attachment::Stop() {
  // A client that never pauses is not waited for.
  stopping_.store(true, std::memory_order_relaxed);
  // Only this side's receiving: the client learns of it when its fetches have ended.
  shutdown(connection_, SHUT_RD);
}

absl::Status Attachment::Serve() {
  thread_ = std::this_thread::get_id();
  uint32_t taken = 0;
  absl::Status status;
  while (status.ok() && AwaitSubmission(taken)) {
    status = TakeSubmitted(&taken);
  }
  if (!stopping_.load(std::memory_order_relaxed)) CancelAll();
  AwaitIdle();
  return status;
}

absl::Status Attachment::TakeSubmitted(uint32_t* taken) {
  const shm::Ring& ring = region_.control().submitted;
  const uint32_t pushed = ring.count.load(std::memory_order_acquire);
  if (pushed - *taken > region_.slots()) {
    return absl::InvalidArgumentError(absl::StrCat(
        pushed - *taken, " submissions are more than the ", region_.slots(), " slots"));
  }
  for (; *taken != pushed; ++*taken) {
    const uint32_t slot = ring.entries[*taken % region_.slots()].load(std::memory_order_relaxed);
    if (slot >= region_.slots()) {
      return absl::InvalidArgumentError(
          absl::StrCat("slot ", slot, " of ", region_.slots(), " was submitted"));
    }
    if (absl::Status status = Start(slot); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status Attachment::Start(uint32_t slot) {
  Fetch& fetch = fetches_[slot];
  if (fetch.busy.exchange(true, std::memory_order_acquire)) {
    return absl::InvalidArgumentError(
        absl::StrCat("slot ", slot, " was submitted while its fetch is under way"));
  }
  const CallCopy call(region_.slot(slot).call);
  const auto ids = region_.Data(call.ids_offset, uint64_t{call.ids} * sizeof(storage::RowId));
  const auto rows = region_.Data(call.rows_offset, call.rows_bytes);
  const auto tiers = call.tiers_bytes == 0 ? absl::Span<std::byte>()
                                           : region_.Data(call.tiers_offset, call.tiers_bytes);
  for (const absl::Status& status : {ids.status(), rows.status(), tiers.status()}) {
    if (!status.ok()) {
      return status;
    }
  }
  if ((call.flags & ~(shm::kPartial | shm::kBulk | shm::kPrefetch)) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("flags ", call.flags, " have no meaning"));
  }
  bool is_alone = false;
  {
    absl::MutexLock lock(&mutex_);
    is_alone = ++in_flight_ == 1;
  }
  auto admitted = handler_->Admit(call.name, call.version, call.digest, call.ids);
  if (!admitted.ok()) {
    Complete(slot, admitted.status());
    return absl::OkStatus();
  }
  fetch.grant = std::move(admitted->grant);
  fetch.ids.resize(call.ids);
  std::copy(ids->begin(), ids->end(), reinterpret_cast<std::byte*>(fetch.ids.data()));
  if ((call.flags & shm::kPrefetch) != 0) {
    Complete(slot, handler_->Prefetch(*admitted, fetch.ids));
    return absl::OkStatus();
  }
  handler_->Fetch({.table = std::move(admitted->table),
                   .row_ids = fetch.ids,
                   .rows = *rows,
                   .rows_are_shared = true,
                   .tiers = {reinterpret_cast<storage::Tier*>(tiers->data()), tiers->size()},
                   .needed_at = NeededAt(call.needed_us),
                   .deadline = FromNow(call.deadline_us),
                   .cancelled = &region_.slot(slot).cancelled,
                   .partial = (call.flags & shm::kPartial) != 0,
                   .bulk = (call.flags & shm::kBulk) != 0,
                   .caller_may_read = is_alone},
                  [this, slot](absl::Status status) { Complete(slot, status); });
  return absl::OkStatus();
}

bool Attachment::AwaitSubmission(uint32_t taken) {
  if (stopping_.load(std::memory_order_relaxed)) {
    return false;
  }
  shm::Ring& ring = region_.control().submitted;
  region_.control().awake.fetch_add(1, std::memory_order_relaxed);
  if (shm::SpinForPush(ring, taken, absl::InfiniteFuture(), &spin_habit_)) {
    return true;
  }
  ring.asleep.store(1);
  ssize_t received = 1;
  if (ring.count.load() == taken) {
    char doorbells[64];
    received = recv(connection_, doorbells, sizeof(doorbells), 0);
  }
  ring.asleep.store(0);
  return received > 0 || (received < 0 && errno == EINTR);
}

void Attachment::Complete(uint32_t slot, const absl::Status& status) {
  shm::Outcome& outcome = region_.slot(slot).outcome;
  outcome.message_bytes =
      static_cast<uint32_t>(status.message().copy(outcome.message, shm::kMaxMessageBytes));
  outcome.code = static_cast<uint32_t>(status.code());
  Fetch& fetch = fetches_[slot];
  fetch.grant = InFlightLimit::Grant();
  if (fetch.ids.capacity() > kKeptIds) {
    fetch.ids = std::vector<storage::RowId>();
  }
  fetch.busy.store(false, std::memory_order_release);

  // The kernel may have given the client this processor, which it should not wait for.
  bool gives_way = false;
  {
    shm::Ring& ring = region_.control().completed;
    absl::MutexLock lock(&mutex_);
    shm::Push(&ring, region_.slots(), slot, &completed_);
    if (shm::MustRing(&ring)) {
      // Refused where the client has taken none for long: then it will find many.
      send(connection_, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
      gives_way = std::this_thread::get_id() == thread_;
    }
    --in_flight_;  // the attachment may be gone from here on
  }
  if (gives_way) std::this_thread::yield();
}

void Attachment::CancelAll() {
  for (uint32_t slot = 0; slot < region_.slots(); ++slot) {
    region_.slot(slot).cancelled.store(1, std::memory_order_relaxed);
  }
}

void Attachment::AwaitIdle() {
  absl::MutexLock lock(&mutex_);
  const auto idle = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return in_flight_ == 0; };
  mutex_.Await(absl::Condition(&idle));
}

}  // namespace engram::server
