// A fetch that is answered at its deadline with what is there.
#ifndef ENGRAM_STORAGE_FETCH_PARTIAL_FETCH_H_
#define ENGRAM_STORAGE_FETCH_PARTIAL_FETCH_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "storage/fetch/deadline_timer.h"
#include "storage/fetch/fetch_operation.h"
#include "storage/fetch/late_memory.h"
#include "storage/fetch/table_version.h"
#include "storage/table_spec.h"
#include "storage/tiered_store.h"

namespace engram::storage {

// The part of it that RAM did not serve. The groups are read in a few parts, to memory of its own,
// for they may come after the answer; each part is copied to the answer as it comes. What has not
// begun by the deadline, for want of a thread or of memory, is left to the prefetcher. Kept by the
// parts that are under way, or by the memory that it waits for.
class PartialFetch final : public std::enable_shared_from_this<PartialFetch> {
 public:
  // Starts one.
  //   options: with tiers and a deadline;  misses: groups, ascending, at least one
  //   start: when the fetch began
  static void Start(const FetchOptions& options, FetchDone done, std::vector<uint32_t> misses,
                    absl::Time start, const FetchContext& context);

  PartialFetch(const FetchOptions& options, FetchDone done, std::vector<uint32_t> misses,
               absl::Time start, const FetchContext& context);
  ~PartialFetch();

 private:
  // Groups that are read together: a run of misses_.
  struct Part {
    size_t begin;
    size_t end;
  };

  // Reads, as soon as other fetches, under way or answered, leave memory to read to.
  void Begin() ABSL_LOCKS_EXCLUDED(mutex_);
  void SetTimer() ABSL_LOCKS_EXCLUDED(mutex_);
  void OnMemory() ABSL_LOCKS_EXCLUDED(mutex_);
  void Read(const std::vector<Part>& parts);
  FetchOptions AsFetch(const Part& part);
  void OnPart(const Part& part, const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  void CopyToAnswer(const Part& part) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Answers with what has come, unless that was done.
  void Answer() ABSL_LOCKS_EXCLUDED(mutex_);
  // CANCELLED once the caller has given it up; its parts then stop as well. After the answer, OK.
  absl::Status CheckCancelled() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsCancelled() ABSL_LOCKS_EXCLUDED(mutex_);
  uint64_t MarkAbsent() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Count(const absl::Status& status, uint64_t warm_hits, uint64_t absent) const;

  size_t group_size() const { return table_->spec().group_size; }
  size_t group_bytes() const { return table_->spec().group_bytes(); }
  uint64_t bytes() const { return misses_.size() * group_bytes(); }
  absl::Span<const RowId> IdsOf(const Part& part) const {
    return absl::MakeConstSpan(row_ids_).subspan(part.begin * group_size(),
                                                 (part.end - part.begin) * group_size());
  }

  const std::shared_ptr<TableVersion> table_;
  const absl::Time start_;
  const absl::Time needed_at_;
  const absl::Time deadline_;
  const bool bulk_;
  const size_t groups_;  // of the whole fetch
  const FetchContext context_;
  const std::vector<uint32_t> misses_;
  std::vector<RowId> row_ids_;         // [misses x group_size]
  std::unique_ptr<std::byte[]> rows_;  // [misses x group_size x row_bytes]
  std::vector<Tier> tiers_;            // [misses]
  CancelFlag cancelled_ = 0;           // of the parts: the caller's is gone after the answer

  absl::Mutex mutex_;
  FetchOptions options_ ABSL_GUARDED_BY(mutex_);  // the caller's, until it is answered
  FetchDone done_ ABSL_GUARDED_BY(mutex_);
  bool answered_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<DeadlineTimer::Id> timer_call_ ABSL_GUARDED_BY(mutex_);
  std::optional<LateMemory::Id> memory_wait_ ABSL_GUARDED_BY(mutex_);
  bool has_begun_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::vector<bool> came_ ABSL_GUARDED_BY(mutex_);  // [misses]
  uint64_t warm_hits_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t parts_left_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_FETCH_PARTIAL_FETCH_H_
