#include "storage/fetch/late_memory.h"

#include <utility>

namespace engram::storage {

std::optional<LateMemory::Id> LateMemory::Take(uint64_t bytes, Ready ready) {
  absl::MutexLock lock(&mutex_);
  if (bytes <= limit_ - used_) {
    used_ += bytes;
    return std::nullopt;
  }
  const Id id = next_id_++;
  if (bytes <= limit_) waits_.emplace(id, Wait{.bytes = bytes, .ready = std::move(ready)});
  return id;
}

void LateMemory::Leave(Id id) {
  decltype(waits_)::node_type gone;  // may own whatever it likes: destroyed without the lock
  std::vector<Ready> ready;
  {
    absl::MutexLock lock(&mutex_);
    gone = waits_.extract(id);
    ready = Serve();
  }
  for (Ready& call : ready) std::move(call)();
}

void LateMemory::Give(uint64_t bytes) {
  std::vector<Ready> ready;
  {
    absl::MutexLock lock(&mutex_);
    used_ -= bytes;
    ready = Serve();
  }
  for (Ready& call : ready) std::move(call)();
}

std::vector<LateMemory::Ready> LateMemory::Serve() {
  std::vector<Ready> ready;
  while (!waits_.empty() && waits_.begin()->second.bytes <= limit_ - used_) {
    used_ += waits_.begin()->second.bytes;
    ready.push_back(std::move(waits_.begin()->second.ready));
    waits_.erase(waits_.begin());
  }
  return ready;
}

uint64_t LateMemory::used_bytes() const {
  absl::MutexLock lock(&mutex_);
  return used_;
}

}  // namespace engram::storage
