// One version of one table, open for fetches.
#ifndef ENGRAM_STORAGE_FETCH_TABLE_VERSION_H_
#define ENGRAM_STORAGE_FETCH_TABLE_VERSION_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "storage/cold/cold_tier.h"
#include "storage/fetch/prefetched_groups.h"
#include "storage/fetch/reads_under_way.h"
#include "storage/latency_histogram.h"
#include "storage/placement/traffic_meter.h"
#include "storage/ram/ram_tier.h"
#include "storage/store_stats.h"
#include "storage/table_spec.h"
#include "storage/tiered_store.h"
#include "storage/warm/current_warm_tier.h"

namespace engram::storage {

// Thread-safe.
class TableVersion final : public Table {
 public:
  // current_warm: what `ram` knows as the tier below it
  // window: what a fetch may take without anybody waiting for it
  // prefetch_budget: of groups that are prefetched; null: none are
  TableVersion(TableInfo info, std::unique_ptr<ColdTable> cold, std::unique_ptr<RamTier> ram,
               std::shared_ptr<CurrentWarmTier> current_warm = std::make_shared<CurrentWarmTier>(),
               absl::Duration window = absl::ZeroDuration(),
               std::shared_ptr<ByteBudget> prefetch_budget = nullptr)
      : info_(std::move(info)),
        window_(window),
        prefetched_(info_.spec, std::move(prefetch_budget)),
        cold_(std::move(cold)),
        current_warm_(std::move(current_warm)),
        ram_(std::move(ram)) {}

  const TableIdentity& identity() const override { return info_.identity; }
  const TableSpec& spec() const override { return info_.spec; }

  ColdTable& cold() { return *cold_; }
  RamTier& ram() { return *ram_; }
  const std::shared_ptr<CurrentWarmTier>& current_warm() { return current_warm_; }
  ReadsUnderWay& reads_under_way() { return reads_under_way_; }
  PrefetchedGroups& prefetched() { return prefetched_; }

  absl::Duration window() const { return window_; }

  // As imported; `published` is as it was then.
  const TableInfo& info() const { return info_; }

  // A fetch that found `ram_hits` of its `groups` groups in RAM and `warm_hits` in the warm tier,
  // and took `duration`.
  void CountFetch(uint64_t groups, uint64_t ram_hits, uint64_t warm_hits, absl::Duration duration) {
    fetches_.fetch_add(1, std::memory_order_relaxed);
    groups_.fetch_add(groups, std::memory_order_relaxed);
    ram_hits_.fetch_add(ram_hits, std::memory_order_relaxed);
    warm_hits_.fetch_add(warm_hits, std::memory_order_relaxed);
    fetch_latency_.Record(duration);
    if (ram_hits == groups) return;
    disk_fetches_.fetch_add(1, std::memory_order_relaxed);
    const int64_t late_ns = absl::ToInt64Nanoseconds(duration - window_);
    if (late_ns > 0) stall_ns_.fetch_add(static_cast<uint64_t>(late_ns), std::memory_order_relaxed);
  }
  // An answer at a deadline, without so many groups.
  void CountPartialAnswer(uint64_t absent_groups) {
    partial_answers_.fetch_add(1, std::memory_order_relaxed);
    absent_groups_.fetch_add(absent_groups, std::memory_order_relaxed);
  }
  void CountError() { fetch_errors_.fetch_add(1, std::memory_order_relaxed); }

  // A fetch whose rows came, or not, at `end`. Not counted if it is not known when they were needed
  // (InfiniteFuture).
  void CountTimeliness(absl::Time needed_at, absl::Time end) {
    if (needed_at == absl::InfiniteFuture()) return;
    auto& counter = end <= needed_at ? fetches_on_time_ : fetches_late_;
    counter.fetch_add(1, std::memory_order_relaxed);
  }
  // Reads for a fetch that nobody waited for to its end.
  void CountWastedReads(uint64_t reads) {
    wasted_reads_.fetch_add(reads, std::memory_order_relaxed);
  }

  // One batch of cold reads that used `rows_used` distinct rows of what it read.
  void CountColdReads(const ColdReadStats& reads, uint64_t rows_used, absl::Duration duration) {
    cold_reads_.fetch_add(reads.reads, std::memory_order_relaxed);
    cold_bytes_read_.fetch_add(reads.bytes_read, std::memory_order_relaxed);
    cold_rows_used_.fetch_add(rows_used, std::memory_order_relaxed);
    cold_latency_.Record(duration);
  }

  // One batch of warm reads, which found `groups_used` groups.
  void CountWarmReads(const ColdReadStats& reads, uint64_t groups_used, absl::Duration duration) {
    warm_reads_.fetch_add(reads.reads, std::memory_order_relaxed);
    warm_bytes_read_.fetch_add(reads.bytes_read, std::memory_order_relaxed);
    warm_groups_used_.fetch_add(groups_used, std::memory_order_relaxed);
    warm_latency_.Record(duration);
  }

  // Groups of a hot set that a loader has yet to look at; its file stays as it is until then.
  void SetLoadingGroupsLeft(uint64_t groups) {
    loading_groups_left_.store(groups, std::memory_order_release);
  }
  uint64_t loading_groups_left() const {
    return loading_groups_left_.load(std::memory_order_acquire);
  }

  // A number that is the same as before if RAM was neither changed nor looked into.
  uint64_t RamChanges() const {
    const RamTierStats ram = ram_->Stats();
    return groups_.load(std::memory_order_relaxed) + ram.admissions + ram.pin_changes;
  }

  // Takes in what was fetched since the last call, for Stats and Traffic. `now` never goes back.
  void MeterTraffic(absl::Time now) ABSL_LOCKS_EXCLUDED(meter_mutex_);

  // As of the last MeterTraffic.
  TableTraffic Traffic() const ABSL_LOCKS_EXCLUDED(meter_mutex_);

  // `published` is left false, and of `placement` what belongs to the RAM budget.
  TableStats Stats() const;

 private:
  TrafficCounters Counters() const;
  PlacementStats PlacementOf() const;
  TierStats WarmStats() const;

  const TableInfo info_;
  const absl::Duration window_;
  PrefetchedGroups prefetched_;
  const std::unique_ptr<ColdTable> cold_;
  const std::shared_ptr<CurrentWarmTier> current_warm_;
  const std::unique_ptr<RamTier> ram_;
  ReadsUnderWay reads_under_way_;

  std::atomic<uint64_t> loading_groups_left_{0};
  std::atomic<uint64_t> fetches_{0};
  std::atomic<uint64_t> fetch_errors_{0};
  std::atomic<uint64_t> fetches_on_time_{0};
  std::atomic<uint64_t> fetches_late_{0};
  std::atomic<uint64_t> wasted_reads_{0};
  std::atomic<uint64_t> partial_answers_{0};
  std::atomic<uint64_t> absent_groups_{0};
  std::atomic<uint64_t> disk_fetches_{0};
  std::atomic<uint64_t> stall_ns_{0};
  std::atomic<uint64_t> groups_{0};
  std::atomic<uint64_t> ram_hits_{0};
  std::atomic<uint64_t> warm_hits_{0};
  std::atomic<uint64_t> warm_reads_{0};
  std::atomic<uint64_t> warm_bytes_read_{0};
  std::atomic<uint64_t> warm_groups_used_{0};
  std::atomic<uint64_t> cold_reads_{0};
  std::atomic<uint64_t> cold_bytes_read_{0};
  std::atomic<uint64_t> cold_rows_used_{0};
  LatencyHistogram fetch_latency_;
  LatencyHistogram warm_latency_;
  LatencyHistogram cold_latency_;

  mutable absl::Mutex meter_mutex_;
  TrafficMeter meter_ ABSL_GUARDED_BY(meter_mutex_);
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_FETCH_TABLE_VERSION_H_
