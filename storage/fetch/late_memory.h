// Memory for rows that may come after their fetch was answered.
#ifndef ENGRAM_STORAGE_FETCH_LATE_MEMORY_H_
#define ENGRAM_STORAGE_FETCH_LATE_MEMORY_H_

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"

namespace engram::storage {

// Counts bytes against a limit that is never exceeded, as ByteBudget does; whoever finds no room
// may wait for it. Thread-safe.
class LateMemory {
 public:
  using Ready = absl::AnyInvocable<void() &&>;
  // Names one who waits.
  using Id = uint64_t;

  explicit LateMemory(uint64_t limit_bytes) : limit_(limit_bytes) {}

  // Takes `bytes` and returns nothing. Where there is no room it takes nothing yet, and calls
  // `ready` once they are taken, on a thread that gives others back or waits no longer; of those
  // who wait the first goes first, but one who finds room need not wait. More than the limit are
  // waited for in vain.
  std::optional<Id> Take(uint64_t bytes, Ready ready) ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits no longer, if it still does.
  void Leave(Id id) ABSL_LOCKS_EXCLUDED(mutex_);

  void Give(uint64_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);

  uint64_t used_bytes() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Wait {
    uint64_t bytes;
    Ready ready;
  };

  // Takes for those whose turn it is.
  std::vector<Ready> Serve() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const uint64_t limit_;
  mutable absl::Mutex mutex_;
  uint64_t used_ ABSL_GUARDED_BY(mutex_) = 0;
  Id next_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<Id, Wait> waits_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_FETCH_LATE_MEMORY_H_
