// The groups of a table that fetches are reading from NVMe now.
#ifndef ENGRAM_STORAGE_FETCH_READS_UNDER_WAY_H_
#define ENGRAM_STORAGE_FETCH_READS_UNDER_WAY_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "storage/fetch/io_scheduler.h"
#include "storage/table_spec.h"

namespace engram::storage {

// A group that several fetches want at the same time is read by the first of them, which hands its
// rows to the others: without it, what is popular and new would be read once for each. Thread-safe.
class ReadsUnderWay {
 public:
  // A fetch that waits for groups that others read.
  class Waiter {
   public:
    virtual ~Waiter() = default;
    // The end of a wait, on the thread of the fetch that read. `rows`: [group_size x row_bytes],
    // to be copied before Take returns; null if the read failed, which may be that fetch's own
    // trouble: the waiter should read for itself.
    //   group: the waiter's own number for it
    virtual void Take(uint32_t group, const std::byte* rows) = 0;
  };

  // A fetch, as far as others have to know in order to wait for it. Named by its address.
  struct Reader {
    // groups: that it reads or waits for
    Reader(absl::Time deadline_in, size_t groups_in, JobClass job_class_in)
        : deadline(deadline_in), groups(groups_in), job_class(job_class_in) {}

    // From now on its reads are waiting for nothing but the device, and are not taken over.
    void SetBegun() { begun.store(true, std::memory_order_relaxed); }

    const absl::Time deadline;
    const size_t groups;
    const JobClass job_class;
    std::atomic<bool> begun{false};
  };

  enum class Role : uint8_t {
    kReads,     // reads the group, and calls End, unless it is a hint and the group is taken over
    kWaits,     // will be told by Take
    kReadsToo,  // another reads the group that should not be waited for; no End
  };

  // One who waits for a reader that is served later would be late, and for one that is much larger
  // would be slow. Hints are small, and waited for once they are being read; before that, whoever
  // fetches what they are to read takes it over.
  static bool MayWaitFor(const Reader& reader, const Reader& waiter) {
    if (reader.groups > std::max(kSmallFetch, kMaxTimesLarger * waiter.groups)) return false;
    if (reader.job_class == JobClass::kHint && reader.begun.load(std::memory_order_relaxed)) {
      return true;
    }
    return reader.job_class <= waiter.job_class && reader.deadline <= waiter.deadline;
  }

  // What becomes of a group that `fetch` did not find in RAM.
  //   ids: [group_size], stay valid until End;  fetch: likewise
  //   waiter: kept until Take was called, if the role is kWaits
  Role Begin(absl::Span<const RowId> ids, const Reader* fetch,
             const std::shared_ptr<Waiter>& waiter, uint32_t group) ABSL_LOCKS_EXCLUDED(mutex_);

  // Whether a group that `Begin` answered a hint with kReads is still that hint's to read. Once it
  // has begun, that remains so.
  bool IsReader(absl::Span<const RowId> ids, const Reader* hint) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Whether a hint reads the group, or will unless it is in the queue at `time`, or later.
  bool IsHinted(absl::Span<const RowId> ids, absl::Time time) const ABSL_LOCKS_EXCLUDED(mutex_);

  // The rows of a group that `Begin` answered with kReads have come: hands them to those who wait
  // for it by now.
  void HandOut(absl::Span<const RowId> ids, const std::byte* rows) ABSL_LOCKS_EXCLUDED(mutex_);

  // The read of such a group is over: hands the rows, or null, to those who wait for it.
  void End(absl::Span<const RowId> ids, const std::byte* rows) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Wait {
    std::shared_ptr<Waiter> waiter;
    uint32_t group;
  };
  using Waits = absl::InlinedVector<Wait, 1>;
  struct Read {
    const Reader* reader;
    Waits waits;
  };

  static void TellAll(const Waits& waits, const std::byte* rows);

  static constexpr size_t kSmallFetch = 32;  // groups that one thread reads at a time anyway
  static constexpr size_t kMaxTimesLarger = 4;

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<absl::Span<const RowId>, Read> reads_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_FETCH_READS_UNDER_WAY_H_
