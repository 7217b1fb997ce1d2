#include "storage/fetch/fetch_operation.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "storage/cold/page_layout.h"

namespace engram::storage {
namespace {

// Fewer reads than this are not worth a second thread: one keeps them all in flight.
constexpr size_t kMinReadsPerPart = 256;

size_t PartsFor(size_t reads, int threads) {
  return std::clamp<size_t>(reads / kMinReadsPerPart, 1, static_cast<size_t>(threads));
}

// The part of a fetch that RAM did not serve: what the warm tier seems to have is read there, all
// else, at the same time, from the cold tier; what was not in the warm tier after all follows in a
// second round. A group that occurs more than once is read for its first place and copied from
// there. Destroyed by the I/O thread that ends it.
class NvmeFetch : public std::enable_shared_from_this<NvmeFetch> {
 public:
  NvmeFetch(const FetchOptions& options, FetchDone done, std::vector<uint32_t> misses,
            absl::Time start)
      : options_(options),
        table_(static_cast<TableVersion&>(*options.table)),
        done_(std::move(done)),
        misses_(std::move(misses)),
        start_(start) {}

  // Leaves all of the work to I/O threads: whoever called Fetch may have others to serve.
  void Start(IoScheduler* scheduler) {
    scheduler->Submit(options_.deadline,
                      [self = shared_from_this(), scheduler] { self->Begin(scheduler); });
  }

 private:
  // A miss, and one before it that is the same group; as indices of misses_.
  struct Repeat {
    uint32_t miss;
    uint32_t first;
  };

  void Begin(IoScheduler* scheduler) {
    if (options_.rows_are_shared) {
      own_rows_ = std::make_unique_for_overwrite<std::byte[]>(misses_.size() * group_bytes());
    }
    absl::flat_hash_map<absl::Span<const RowId>, uint32_t> firsts;
    std::vector<uint32_t> cold;
    for (uint32_t miss = 0; miss < misses_.size(); ++miss) {
      const RowId* ids = IdsOf(miss);
      const auto [first, is_first] = firsts.try_emplace({ids, table_.spec().group_size}, miss);
      if (!is_first) {
        repeats_.push_back({.miss = miss, .first = first->second});
        continue;
      }
      const auto slot = table_.warm() == nullptr ? std::nullopt : table_.warm()->Find(ids);
      if (slot.has_value()) {
        warm_reads_.push_back(
            {.slot = *slot, .ids = ids, .rows = RowsOf(miss), .group = miss, .found = false});
      } else {
        cold.push_back(miss);
      }
    }
    std::sort(warm_reads_.begin(), warm_reads_.end(),
              [](const WarmRead& a, const WarmRead& b) { return a.slot < b.slot; });
    ListColdReads(cold);
    StartRound(scheduler);
  }

  // Reads all that is listed, in parts, of which this thread takes the first.
  void StartRound(IoScheduler* scheduler) {
    struct Part {
      bool warm;
      size_t begin;
      size_t end;
    };
    std::vector<Part> parts;
    const auto add = [&parts](bool warm, const std::vector<size_t>& bounds) {
      for (size_t i = 0; i + 1 < bounds.size(); ++i) {
        if (bounds[i] < bounds[i + 1]) parts.push_back({warm, bounds[i], bounds[i + 1]});
      }
    };
    add(true, SplitWarmReads(scheduler->threads()));
    add(false, SplitReads(scheduler->threads()));
    parts_left_.store(parts.size(), std::memory_order_relaxed);
    for (size_t i = 1; i < parts.size(); ++i) {
      scheduler->Submit(options_.deadline, [self = shared_from_this(), part = parts[i], scheduler] {
        self->ReadPart(part.warm, part.begin, part.end, scheduler);
      });
    }
    ReadPart(parts[0].warm, parts[0].begin, parts[0].end, scheduler);
  }

  void ListColdReads(absl::Span<const uint32_t> misses) {
    const uint32_t group_size = table_.spec().group_size;
    reads_.clear();
    reads_.reserve(misses.size() * group_size);
    for (const uint32_t miss : misses) {
      const uint32_t first_id = misses_[miss] * group_size;
      const uint32_t first_row = own_rows_ == nullptr ? first_id : miss * group_size;
      for (uint32_t i = 0; i < group_size; ++i) {
        reads_.push_back({.row_id = options_.row_ids[first_id + i], .destination = first_row + i});
      }
    }
    std::sort(reads_.begin(), reads_.end());
  }

  const RowId* IdsOf(uint32_t miss) const {
    return options_.row_ids.data() + size_t{misses_[miss]} * table_.spec().group_size;
  }

  std::byte* RowsOf(uint32_t miss) const {
    return rows() + (own_rows_ == nullptr ? misses_[miss] : miss) * group_bytes();
  }

  size_t group_bytes() const { return size_t{table_.spec().group_size} * table_.spec().row_bytes; }

  std::byte* rows() const { return own_rows_ == nullptr ? options_.rows.data() : own_rows_.get(); }

  std::vector<size_t> SplitWarmReads(int threads) const {
    const size_t parts = PartsFor(warm_reads_.size(), threads);
    std::vector<size_t> bounds;
    for (size_t part = 0; part <= parts; ++part) {
      bounds.push_back(warm_reads_.size() * part / parts);
    }
    return bounds;
  }

  // Cuts reads_ into runs for several threads; no page is in two of them, so none is read twice.
  // Returns the runs' bounds: the first is 0, the last reads_.size().
  std::vector<size_t> SplitReads(int threads) const {
    const PageLayout layout(table_.spec());
    const size_t parts = PartsFor(reads_.size(), threads);
    std::vector<size_t> bounds = {0};
    for (size_t part = 1; part < parts; ++part) {
      size_t bound = std::max(bounds.back(), reads_.size() * part / parts);
      while (bound > 0 && bound < reads_.size() &&
             layout.page_of(reads_[bound].row_id) == layout.page_of(reads_[bound - 1].row_id)) {
        ++bound;
      }
      if (bound > bounds.back() && bound < reads_.size()) {
        bounds.push_back(bound);
      }
    }
    bounds.push_back(reads_.size());
    return bounds;
  }

  void ReadPart(bool warm, size_t begin, size_t end, IoScheduler* scheduler) {
    if (!failed_.load(std::memory_order_relaxed)) {
      const absl::Status status =
          warm ? ReadWarm(absl::MakeSpan(warm_reads_).subspan(begin, end - begin))
               : Read(absl::MakeConstSpan(reads_).subspan(begin, end - begin));
      if (!status.ok()) Fail(status);
    }
    if (parts_left_.fetch_sub(1, std::memory_order_acq_rel) == 1) EndRound(scheduler);
  }

  void EndRound(IoScheduler* scheduler) {
    std::vector<uint32_t> not_found;
    for (const WarmRead& read : std::exchange(warm_reads_, {})) {
      if (!read.found) {
        not_found.push_back(read.group);
        continue;
      }
      ++warm_hits_;
      if (!options_.tiers.empty()) options_.tiers[misses_[read.group]] = Tier::kWarm;
    }
    if (failed_.load(std::memory_order_relaxed) || not_found.empty()) {
      Finish();
      return;
    }
    ListColdReads(not_found);
    StartRound(scheduler);
  }

  absl::Status CheckDeadline(absl::Time start) const {
    if (start < options_.deadline) return absl::OkStatus();
    return absl::DeadlineExceededError(absl::StrCat("the deadline passed ",
                                                    absl::FormatDuration(start - options_.deadline),
                                                    " before the reads were started"));
  }

  absl::Status ReadWarm(absl::Span<WarmRead> reads) {
    const absl::Time start = absl::Now();
    if (auto status = CheckDeadline(start); !status.ok()) return status;
    ColdReadStats stats;
    absl::Status status = table_.warm()->Read(reads, options_.deadline, &stats);
    const auto found =
        std::count_if(reads.begin(), reads.end(), [](const WarmRead& read) { return read.found; });
    table_.CountWarmReads(stats, static_cast<uint64_t>(found), absl::Now() - start);
    return status;
  }

  absl::Status Read(absl::Span<const RowRead> reads) {
    const absl::Time start = absl::Now();
    if (auto status = CheckDeadline(start); !status.ok()) return status;
    ColdReadStats stats;
    absl::Status status = table_.cold().ReadRows(reads, rows(), options_.deadline, &stats);
    table_.CountColdReads(stats, status.ok() ? DistinctRows(reads) : 0, absl::Now() - start);
    return status;
  }

  static uint64_t DistinctRows(absl::Span<const RowRead> reads) {
    uint64_t distinct = 0;
    for (size_t i = 0; i < reads.size(); ++i) {
      distinct += i == 0 || reads[i].row_id != reads[i - 1].row_id;
    }
    return distinct;
  }

  void Fail(const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    if (status_.ok()) {
      status_ = status;
    }
    failed_.store(true, std::memory_order_relaxed);
  }

  void AdmitToRam() {
    if (own_rows_ == nullptr) {
      table_.ram().Admit(options_.row_ids, options_.rows.data(), misses_);
      return;
    }
    std::vector<RowId> ids;
    std::vector<uint32_t> groups(misses_.size());
    std::iota(groups.begin(), groups.end(), 0);
    for (const uint32_t group : misses_) {
      const auto of_group =
          options_.row_ids.subspan(group * table_.spec().group_size, table_.spec().group_size);
      ids.insert(ids.end(), of_group.begin(), of_group.end());
    }
    table_.ram().Admit(ids, own_rows_.get(), groups);
  }

  void CopyRepeats() const {
    for (const Repeat& repeat : repeats_) {
      std::memcpy(RowsOf(repeat.miss), RowsOf(repeat.first), group_bytes());
      if (!options_.tiers.empty()) options_.tiers[misses_[repeat.miss]] = Tier::kRam;
    }
  }

  void CopyOwnRows() const {
    for (size_t miss = 0; own_rows_ != nullptr && miss < misses_.size(); ++miss) {
      std::memcpy(options_.rows.data() + misses_[miss] * group_bytes(),
                  own_rows_.get() + miss * group_bytes(), group_bytes());
    }
  }

  void Finish() {
    absl::Status status;
    {
      absl::MutexLock lock(&mutex_);
      status = status_;
    }
    if (status.ok()) {
      CopyRepeats();
      CopyOwnRows();
      AdmitToRam();
      const uint64_t groups = options_.row_ids.size() / table_.spec().group_size;
      const uint64_t ram_hits = groups - misses_.size() + repeats_.size();
      table_.CountFetch(groups, ram_hits, warm_hits_, absl::Now() - start_);
    } else {
      table_.CountError();
    }
    // The caller may let go of everything as soon as it is told, the table included.
    options_.table.reset();
    std::move(done_)(std::move(status));
  }

  FetchOptions options_;
  TableVersion& table_;
  FetchDone done_;
  const std::vector<uint32_t> misses_;  // groups, ascending
  const absl::Time start_;
  std::vector<Repeat> repeats_;
  std::vector<WarmRead> warm_reads_;  // of this round, as are reads_
  std::vector<RowRead> reads_;
  uint64_t warm_hits_ = 0;
  // [misses x group_size x row_bytes], where the caller's memory is shared: what others write there
  // must not get into the RAM tier.
  std::unique_ptr<std::byte[]> own_rows_;
  std::atomic<size_t> parts_left_{0};
  std::atomic<bool> failed_{false};

  absl::Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

void RunFetch(const FetchOptions& options, FetchDone done, IoScheduler* scheduler) {
  const absl::Time start = absl::Now();
  auto& table = static_cast<TableVersion&>(*options.table);
  std::vector<uint32_t> misses;
  table.ram().Lookup(options.row_ids, options.rows.data(), &misses);
  if (!options.tiers.empty()) {
    std::fill(options.tiers.begin(), options.tiers.end(), Tier::kRam);
    for (const uint32_t group : misses) {
      options.tiers[group] = Tier::kCold;
    }
  }
  if (misses.empty()) {
    const uint64_t groups = options.row_ids.size() / table.spec().group_size;
    table.CountFetch(groups, groups, 0, absl::Now() - start);
    std::move(done)(absl::OkStatus());
    return;
  }
  std::make_shared<NvmeFetch>(options, std::move(done), std::move(misses), start)->Start(scheduler);
}

}  // namespace engram::storage
