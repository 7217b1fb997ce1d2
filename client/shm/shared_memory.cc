#include "client/shm/shared_memory.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"

namespace engram {
namespace {

// Fetches under way of one client; more go by gRPC.
constexpr uint32_t kSlots = 64;
// A daemon that refused, or does not know of shared memory, is asked again after this long.
constexpr absl::Duration kRefusedBackoff = absl::Minutes(1);

std::string SocketPath(const ClientOptions& options) {
  const bool local = absl::StartsWith(options.address, "unix:") && options.shared_memory_bytes > 0;
  return local ? std::string(absl::StripPrefix(options.address, "unix:")) : "";
}

}  // namespace

SharedMemory::SharedMemory(const ClientOptions& options)
    : path_(SocketPath(options)),
      bytes_(options.shared_memory_bytes),
      min_backoff_(options.min_backoff),
      max_backoff_(options.max_backoff),
      status_(absl::UnavailableError(
          options.shared_memory_bytes == 0
              ? "the client's options ask for no shared memory"
              : "memory is shared only with a daemon on a Unix socket of this host")),
      backoff_(options.min_backoff) {}

std::shared_ptr<SharedLink> SharedMemory::Link() { return AwaitLink(absl::InfinitePast()); }

std::shared_ptr<SharedLink> SharedMemory::AwaitLink(absl::Time deadline) {
  if (path_.empty()) {
    return nullptr;
  }
  absl::MutexLock lock(&mutex_);
  if (link_ != nullptr && link_->lost()) {
    LetGoOfLost();
  }
  return link_ != nullptr ? link_ : Advance(deadline);
}

std::shared_ptr<SharedLink> SharedMemory::Advance(absl::Time deadline) {
  if (requested_ == nullptr) {
    if (absl::Now() < next_try_) {
      return nullptr;
    }
    if (absl::Status status = Request(); !status.ok()) {
      Fail(std::move(status));
      return nullptr;
    }
  }
  absl::Status status = requested_->Finish(deadline);
  if (absl::IsDeadlineExceeded(status)) {
    return nullptr;
  }
  if (!status.ok()) {
    requested_.reset();
    Fail(std::move(status));
    next_try_ = absl::Now() + kRefusedBackoff;
    return nullptr;
  }
  link_ = std::move(requested_);
  status_ = absl::OkStatus();
  backoff_ = min_backoff_;
  return link_;
}

absl::Status SharedMemory::Request() {
  if (heap_ == nullptr) {
    auto heap = SharedHeap::Create(bytes_, kSlots);
    if (!heap.ok()) {
      return heap.status();
    }
    heap_ = *std::move(heap);
  }
  auto requested = SharedLink::Request(path_, heap_);
  if (!requested.ok()) {
    return requested.status();
  }
  requested_ = *std::move(requested);
  return absl::OkStatus();
}

void SharedMemory::LetGoOfLost() {
  status_ = absl::UnavailableError("the connection to the daemon was lost");
  if (link_->hung()) {
    status_ = absl::UnavailableError("the daemon hangs");
    std::erase_if(poisoned_, [](const auto& heap) { return heap.expired(); });
    poisoned_.push_back(heap_);
    heap_.reset();
  }
  link_.reset();
  next_try_ = absl::Now() + backoff_;
}

void SharedMemory::Fail(absl::Status status) {
  status_ = std::move(status);
  next_try_ = absl::Now() + backoff_;
  backoff_ = std::min(backoff_ * 2, max_backoff_);
}

absl::Status SharedMemory::status() const {
  absl::MutexLock lock(&mutex_);
  return status_;
}

SharedHeap::Block SharedMemory::Allocate(size_t bytes) {
  absl::MutexLock lock(&mutex_);
  return heap_ == nullptr ? SharedHeap::Block() : heap_->Allocate(bytes);
}

bool SharedMemory::Poisoned(absl::Span<const std::byte> memory) const {
  absl::MutexLock lock(&mutex_);
  return std::any_of(poisoned_.begin(), poisoned_.end(), [&](const auto& weak) {
    const auto heap = weak.lock();
    return heap != nullptr && heap->poisoned() && heap->Contains(memory);
  });
}

}  // namespace engram
