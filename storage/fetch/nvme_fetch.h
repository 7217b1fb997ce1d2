// The part of a fetch that RAM did not serve.
#ifndef ENGRAM_STORAGE_FETCH_NVME_FETCH_H_
#define ENGRAM_STORAGE_FETCH_NVME_FETCH_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "storage/cold/cold_tier.h"
#include "storage/fetch/io_scheduler.h"
#include "storage/fetch/reads_under_way.h"
#include "storage/fetch/table_version.h"
#include "storage/tiered_store.h"
#include "storage/warm/warm_tier.h"

namespace engram::storage {

// Whom groups are read for.
enum class ReadFor : uint8_t {
  kFetch,
  // A part of a fetch that counts for itself what becomes of it. What has begun by the deadline is
  // finished after it.
  kPart,
  // Nobody yet: it is no use of the groups, and they are not offered to RAM. Groups that a fetch
  // reads itself before the hint has begun are kAbsent among its tiers.
  kPrefetch,
};

// What the warm tier seems to have is read there, all else, at the same time, from the cold tier;
// what was not in the warm tier after all follows in a second round. What another fetch is reading
// is taken from there, or, if that comes to nothing, read in a last round. A group that occurs more
// than once is read for its first place and copied from there. Destroyed by the thread that ends
// it.
class NvmeFetch final : public ReadsUnderWay::Waiter,
                        public std::enable_shared_from_this<NvmeFetch> {
 public:
  // Starts to read all groups of `options`, other than for a fetch that looked into RAM.
  static void ReadAll(const FetchOptions& options, FetchDone done, absl::Time start,
                      IoScheduler* scheduler, ReadFor read_for);

  // options.needed_at: InfiniteFuture if nobody knows
  // misses: groups, ascending, at least one;  start: when the fetch began
  NvmeFetch(const FetchOptions& options, FetchDone done, std::vector<uint32_t> misses,
            absl::Time start, IoScheduler* scheduler, ReadFor read_for = ReadFor::kFetch)
      : options_(options),
        table_(static_cast<TableVersion&>(*options.table)),
        scheduler_(scheduler),
        read_for_(read_for),
        job_class_(read_for == ReadFor::kPrefetch ? JobClass::kHint
                   : options.bulk                 ? JobClass::kBulk
                                                  : JobClass::kInteractive),
        done_(std::move(done)),
        misses_(std::move(misses)),
        start_(start),
        as_reader_(due(), misses_.size(), job_class_) {}

  // Finds out what has to be read, at once, so that fetches that follow know; and leaves all other
  // work to I/O threads, unless the caller may read.
  void Start();

  void Take(uint32_t miss, const std::byte* rows) override ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // A miss, and one before it that is the same group; as indices of misses_.
  struct Repeat {
    uint32_t miss;
    uint32_t first;
  };
  // A run of reads_, or of warm_reads_.
  struct Part {
    bool warm;
    size_t begin;
    size_t end;
  };

  // Runs `work` on an I/O thread; the fetch lives until then.
  template <typename Work>
  void Submit(Work work) {
    scheduler_->Submit(job_class_, due(),
                       [self = shared_from_this(), work = std::move(work)] { work(); });
  }

  bool CallerReads() const;
  void ReadOrAwait(uint32_t miss);
  void Begin();
  // What a fetch took over from a hint is not the hint's to read any more: it is absent to it.
  void LeaveWhatWasTakenOver();
  void ListColdReads(absl::Span<const uint32_t> misses);

  // Reads all that is listed, in parts, of which this thread takes the first.
  void StartRound();
  void ReadPart(const Part& part);
  absl::Status ReadWarm(absl::Span<WarmRead> reads);
  absl::Status ReadCold(absl::Span<const RowRead> reads);
  void EndRound();
  // Whoever waits for the rows need not wait until RAM has them, too. By the caller, whose next
  // fetch comes after that.
  void AnswerFirst();
  // Hands the rows that this fetch read to RAM and to others that wait for them.
  void HandOn();

  // One of the things that the fetch waits for has come, which are: its own reads, and each group
  // that another reads. After the last one, reads what did not come, or finishes.
  void Arrive();
  void ReadWhatDidNotCome() ABSL_LOCKS_EXCLUDED(mutex_);
  void Finish() ABSL_LOCKS_EXCLUDED(mutex_);
  void Answer() ABSL_LOCKS_EXCLUDED(mutex_);

  void Fail(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  bool failed() const { return failed_.load(std::memory_order_relaxed); }
  absl::Time due() const { return std::min(options_.needed_at, options_.deadline); }
  absl::Status MayBegin() const { return ReadTerms(options_.deadline, options_.cancelled).Check(); }
  bool is_caller() const { return std::this_thread::get_id() == caller_; }
  ReadTerms terms() const;
  void CountEnd(const absl::Status& status);
  void AdmitToRam(std::vector<uint32_t> misses);
  // Of groups that this fetch did not bring.
  void AdmitUses();
  void CopyRepeats() const;
  void CopyOwnRows() const;
  void SetTier(uint32_t miss, Tier tier) const {
    if (!options_.tiers.empty()) options_.tiers[misses_[miss]] = tier;
  }

  uint32_t group_size() const { return table_.spec().group_size; }
  size_t group_bytes() const { return table_.spec().group_bytes(); }
  absl::Span<const RowId> IdsOf(uint32_t miss) const {
    return own_rows_ == nullptr
               ? options_.row_ids.subspan(size_t{misses_[miss]} * group_size(), group_size())
               : absl::MakeConstSpan(own_ids_).subspan(size_t{miss} * group_size(), group_size());
  }
  std::byte* rows() const { return own_rows_ == nullptr ? options_.rows.data() : own_rows_.get(); }
  std::byte* RowsOf(uint32_t miss) const {
    return rows() + (own_rows_ == nullptr ? misses_[miss] : miss) * group_bytes();
  }

  FetchOptions options_;
  TableVersion& table_;
  IoScheduler* const scheduler_;
  const ReadFor read_for_;
  const JobClass job_class_;
  FetchDone done_;
  const std::vector<uint32_t> misses_;  // groups, ascending
  const absl::Time start_;
  ReadsUnderWay::Reader as_reader_;

  // Indices of misses_, no group more than once beside the repeats.
  std::vector<Repeat> repeats_;
  std::vector<uint32_t> read_;    // by this fetch
  std::vector<uint32_t> shared_;  // of read_: others may wait for them
  std::vector<uint32_t> waited_;  // read by others

  std::shared_ptr<WarmTier> warm_;    // that warm_reads_ are of; null if there is none
  std::vector<WarmRead> warm_reads_;  // of this round, as are reads_
  std::vector<RowRead> reads_;
  uint64_t warm_hits_ = 0;
  std::atomic<uint64_t> reads_made_{0};
  // [misses x group_size x row_bytes], where the caller's memory is shared: what others write there
  // must not get into the RAM tier.
  std::unique_ptr<std::byte[]> own_rows_;
  std::vector<RowId> own_ids_;  // [misses x group_size], beside own_rows_
  std::thread::id caller_;      // if it reads
  std::atomic<size_t> parts_left_{0};
  std::atomic<size_t> to_come_{1};
  std::atomic<bool> failed_{false};

  absl::Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::vector<uint32_t> did_not_come_ ABSL_GUARDED_BY(mutex_);  // of waited_
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_FETCH_NVME_FETCH_H_
