// A client's shared memory: whether it has any, and with which daemon.
#ifndef ENGRAM_CLIENT_SHM_SHARED_MEMORY_H_
#define ENGRAM_CLIENT_SHM_SHARED_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/engram_client.h"
#include "client/shm/shared_heap.h"
#include "client/shm/shared_link.h"

namespace engram {

// Attaches to the daemon, and again when it was lost, without making anyone wait. Thread-safe.
class SharedMemory {
 public:
  explicit SharedMemory(const ClientOptions& options);

  // The link to the daemon, or null: then fetches must go by gRPC. Where there is none, tries to
  // attach if it is time to.
  std::shared_ptr<SharedLink> Link();

  // As Link, waiting at most until `deadline` for the daemon's answer.
  std::shared_ptr<SharedLink> AwaitLink(absl::Time deadline);

  // OK if memory is shared, or why not.
  absl::Status status() const;

  // Memory of the heap; empty if there is none.
  SharedHeap::Block Allocate(size_t bytes);

  // Whether a daemon that hangs may write to this memory.
  bool Poisoned(absl::Span<const std::byte> memory) const;

 private:
  std::shared_ptr<SharedLink> Advance(absl::Time deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LetGoOfLost() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Request() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Fail(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string path_;  // empty: no daemon that memory could be shared with
  const uint64_t bytes_;
  const absl::Duration min_backoff_;
  const absl::Duration max_backoff_;

  mutable absl::Mutex mutex_;
  std::shared_ptr<SharedHeap> heap_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<SharedHeap>> poisoned_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<SharedLink> requested_ ABSL_GUARDED_BY(mutex_);  // not answered yet
  std::shared_ptr<SharedLink> link_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  absl::Time next_try_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Duration backoff_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram

#endif  // ENGRAM_CLIENT_SHM_SHARED_MEMORY_H_
