#include "storage/fetch/io_scheduler.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

namespace engram::storage {
namespace {

// Reads in flight of all bulk jobs and hints while interactive jobs read: of a burst of theirs,
// about as many.
constexpr size_t kPoliteReads = 24;
// How long after one of these jobs the next is expected: several steps of a model.
constexpr absl::Duration kHurry = absl::Milliseconds(100);

}  // namespace

size_t IoScheduler::Pace::MaxInFlight() const {
  if (absl::GetCurrentTimeNanos() >= hurry_until_ns_.load(std::memory_order_relaxed)) {
    return kNoLimit;
  }
  return std::max<size_t>(
      1, kPoliteReads / std::max<size_t>(1, jobs_->load(std::memory_order_relaxed)));
}

void IoScheduler::Pace::GiveWay() {
  hurry_until_ns_.store(absl::GetCurrentTimeNanos() + absl::ToInt64Nanoseconds(kHurry),
                        std::memory_order_relaxed);
}

size_t IoScheduler::InteractivePace::MaxInFlight() const {
  bulk_->GiveWay();
  hint_->GiveWay();
  return kNoLimit;
}

IoScheduler::IoScheduler(int threads) : thread_count_(static_cast<size_t>(threads)) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { Run(); });
  }
}

IoScheduler::~IoScheduler() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

void IoScheduler::Submit(JobClass job_class, absl::Time deadline, Job job) {
  const absl::Time due = std::min(deadline, absl::Now() + kPatience);
  absl::MutexLock lock(&mutex_);
  std::vector<Entry>& heap = queue(job_class).heap;
  heap.push_back({due, next_sequence_++, std::move(job)});
  std::push_heap(heap.begin(), heap.end());
}

std::optional<JobClass> IoScheduler::Next() const {
  const bool interactive_waits = !queue(JobClass::kInteractive).heap.empty();
  const Queue& bulk = queue(JobClass::kBulk);
  const Queue& hints = queue(JobClass::kHint);
  const bool may_run_low = bulk.running + hints.running < std::max<size_t>(1, thread_count_ - 1);
  const bool bulk_waits = !bulk.heap.empty() && may_run_low;
  const bool is_bulks_turn =
      bulk.running == 0 && (thread_count_ > 1 || !bulk_had_its_turn_ || !interactive_waits);
  if (bulk_waits && is_bulks_turn) return JobClass::kBulk;
  if (interactive_waits) return JobClass::kInteractive;
  if (bulk_waits) return JobClass::kBulk;
  if (!hints.heap.empty() && may_run_low) return JobClass::kHint;
  return std::nullopt;
}

bool IoScheduler::AllDone() const {
  return stopping_ && std::all_of(queues_.begin(), queues_.end(),
                                  [](const Queue& queue) { return queue.heap.empty(); });
}

IoScheduler::Job IoScheduler::Take(JobClass job_class) {
  std::vector<Entry>& heap = queue(job_class).heap;
  std::pop_heap(heap.begin(), heap.end());
  Job job = std::move(heap.back().job);
  heap.pop_back();
  bulk_had_its_turn_ = job_class == JobClass::kBulk;
  CountRunning(job_class, true);
  return job;
}

void IoScheduler::CountRunning(JobClass job_class, bool begins) {
  queue(job_class).running += begins ? 1 : -1;
  low_jobs_.store(queue(JobClass::kBulk).running + queue(JobClass::kHint).running,
                  std::memory_order_relaxed);
  if (job_class == JobClass::kInteractive) bulk_pace_.GiveWay();
}

void IoScheduler::Run() {
  const auto ready = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return Next().has_value() || AllDone();
  };
  absl::MutexLock lock(&mutex_);
  while (true) {
    mutex_.Await(absl::Condition(&ready));
    const std::optional<JobClass> next = Next();
    if (!next.has_value()) return;
    Job job = Take(*next);
    mutex_.Unlock();
    std::move(job)();
    job = nullptr;
    mutex_.Lock();
    CountRunning(*next, false);
  }
}

}  // namespace engram::storage
