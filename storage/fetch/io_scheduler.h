// The threads that read from disk, and the order in which they do it.
#ifndef ENGRAM_STORAGE_FETCH_IO_SCHEDULER_H_
#define ENGRAM_STORAGE_FETCH_IO_SCHEDULER_H_

#include <cstdint>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace engram::storage {

// A fixed set of threads that run jobs, earliest deadline first. A deadline that is further away
// than kPatience, or infinite, counts as if it were kPatience away, so that those who keep coming
// with short ones cannot hold up a job forever. Equal deadlines go in the order of their
// submission. Thread-safe.
class IoScheduler {
 public:
  using Job = absl::AnyInvocable<void() &&>;
  static constexpr absl::Duration kPatience = absl::Seconds(1);

  explicit IoScheduler(int threads);

  // Runs every job that was submitted, then stops the threads.
  ~IoScheduler();

  void Submit(absl::Time deadline, Job job);

  int threads() const { return static_cast<int>(threads_.size()); }

 private:
  struct Entry {
    absl::Time due;
    uint64_t sequence;
    Job job;

    // std::push_heap keeps the largest in front: the one due first.
    friend bool operator<(const Entry& a, const Entry& b) {
      return a.due != b.due ? a.due > b.due : a.sequence > b.sequence;
    }
  };

  void Run();

  absl::Mutex mutex_;
  std::vector<Entry> heap_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;  // constant after construction
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_FETCH_IO_SCHEDULER_H_
