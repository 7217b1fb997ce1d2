// The threads that read from disk, and the order in which they do it.
#ifndef ENGRAM_STORAGE_FETCH_IO_SCHEDULER_H_
#define ENGRAM_STORAGE_FETCH_IO_SCHEDULER_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "storage/cold/read_terms.h"

namespace engram::storage {

// What a job is for. Those of a lower class leave one thread, if there are several, to interactive
// ones; a bulk job gets a thread nevertheless if none is running, and, of a single one, every other
// turn. Hints are run while nothing else waits.
enum class JobClass : uint8_t { kInteractive = 0, kBulk = 1, kHint = 2 };

// A fixed set of threads that run jobs, by class, and in each the earliest deadline first. A
// deadline that is further away than kPatience, or infinite, counts as if it were kPatience away,
// so that those who keep coming with short ones cannot hold up a job forever. Equal deadlines go in
// the order of their submission. Thread-safe.
class IoScheduler {
 public:
  using Job = absl::AnyInvocable<void() &&>;
  static constexpr absl::Duration kPatience = absl::Seconds(1);

  explicit IoScheduler(int threads);

  // Runs every job that was submitted, then stops the threads.
  ~IoScheduler();

  void Submit(JobClass job_class, absl::Time deadline, Job job);

  int threads() const { return static_cast<int>(threads_.size()); }

  // At what pace a job of the class should read: interactive ones as they like. Bulk jobs and hints
  // together keep few reads in flight while these read and for a while after, so that the next one
  // finds the device free; and bulk jobs while any of these run, though they only wait for what a
  // hint reads. Lives as long as the scheduler.
  const ReadPace& PaceOf(JobClass job_class) const {
    if (job_class == JobClass::kInteractive) return interactive_pace_;
    return job_class == JobClass::kBulk ? bulk_pace_ : hint_pace_;
  }

 private:
  static constexpr size_t kClasses = 3;

  struct Entry {
    absl::Time due;
    uint64_t sequence;
    Job job;

    // std::push_heap keeps the largest in front: the one due first.
    friend bool operator<(const Entry& a, const Entry& b) {
      return a.due != b.due ? a.due > b.due : a.sequence > b.sequence;
    }
  };

  // The pace of jobs that are not interactive.
  class Pace final : public ReadPace {
   public:
    // jobs: that share what is left to them
    explicit Pace(const std::atomic<size_t>* jobs) : jobs_(jobs) {}
    size_t MaxInFlight() const override;
    // For a while from now on.
    void GiveWay();

   private:
    const std::atomic<size_t>* const jobs_;
    std::atomic<int64_t> hurry_until_ns_{0};  // Unix time
  };

  // Has no limit, and both others give way whenever it is asked for one.
  class InteractivePace final : public ReadPace {
   public:
    InteractivePace(Pace* bulk, Pace* hint) : bulk_(bulk), hint_(hint) {}
    size_t MaxInFlight() const override;

   private:
    Pace* const bulk_;
    Pace* const hint_;
  };

  // One class: its jobs that wait, and how many run.
  struct Queue {
    std::vector<Entry> heap;
    size_t running = 0;
  };

  void Run();
  // The class whose job a free thread should run next, if any.
  std::optional<JobClass> Next() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  bool AllDone() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  Job Take(JobClass job_class) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CountRunning(JobClass job_class, bool begins) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Queue& queue(JobClass c) ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return queues_[static_cast<size_t>(c)];
  }
  const Queue& queue(JobClass c) const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return queues_[static_cast<size_t>(c)];
  }

  const size_t thread_count_;
  std::atomic<size_t> low_jobs_{0};  // bulk and hints, running
  Pace bulk_pace_{&low_jobs_};
  Pace hint_pace_{&low_jobs_};
  const InteractivePace interactive_pace_{&bulk_pace_, &hint_pace_};
  absl::Mutex mutex_;
  std::array<Queue, kClasses> queues_ ABSL_GUARDED_BY(mutex_);
  bool bulk_had_its_turn_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t next_sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;  // constant after construction
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_FETCH_IO_SCHEDULER_H_
