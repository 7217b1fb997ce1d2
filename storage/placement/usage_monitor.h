// What the live traffic of a table is like, and what RAM tiers of other sizes would serve of it.
#ifndef ENGRAM_STORAGE_PLACEMENT_USAGE_MONITOR_H_
#define ENGRAM_STORAGE_PLACEMENT_USAGE_MONITOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "storage/placement/distinct_counter.h"
#include "storage/placement/policy_curve.h"
#include "storage/placement/popular_groups.h"
#include "storage/placement/popularity_drift.h"
#include "storage/placement/use_observer.h"
#include "storage/placement/use_ring.h"
#include "storage/store_stats.h"

namespace engram::storage {

struct UsageMonitorOptions {
  std::vector<uint32_t> orders{};  // of n-grams, as TableSpec names them; none is like one
  uint64_t cache_groups = 0;       // the RAM tier's size; 0: none, any size may be asked about
  double bytes_per_group = 0;      // for the report
  double ghosts_per_slot = 2;
  uint64_t random_seed = 0;
  absl::Duration window = absl::Minutes(10);
  uint64_t least_window_uses = 100'000;  // picked: a window lasts until it has so many
};

// Fetching threads note uses, which takes them some nanoseconds for each that is sampled or picked,
// no lock, and no memory; Process, called every second or so by a thread in the background, makes
// statistics of them. Their cost is bounded by the rates. At first one group in eight, or fewer of
// a large RAM tier, is sampled, and one use in sixteen is picked. When too many come, rates fall
// until about kSampledPerSecond and kPickedPerSecond remain, which take some 1 % of a core
// together. Once the sample would become too small for its purpose, it is stretches of the stream
// that are left out, and counted as lost.
//
// Takes some 280 KiB, from the first uses on up to 5 MiB more, and for each order 900 KiB. Orders
// from the eighth on are counted together. Thread-safe.
class UsageMonitor : public UseObserver {
 public:
  static constexpr double kSampledPerSecond = 1000;
  static constexpr double kPickedPerSecond = 4096;

  explicit UsageMonitor(const UsageMonitorOptions& options);

  void OnSampled(const GroupKey& group) override;
  void OnPicked(const GroupKey& group, bool held) override;

  // Takes in what was noted. Takes up to 100 ms. `now` never goes back.
  void Process(absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_);

  // As of the last report, which Process makes every ten seconds.
  UsageStats Report() const ABSL_LOCKS_EXCLUDED(report_mutex_);

 private:
  static constexpr size_t kMaxOrders = 8;

  struct Counts {
    uint64_t uses = 0;
    uint64_t held = 0;
  };
  // Of one n-gram order.
  struct OrderState {
    explicit OrderState(uint32_t popular_capacity) : popular(popular_capacity) {}
    PopularGroups popular;
    Counts current;
    Counts previous;
    PopularUses previous_window;
    PopularityDrift drift;
  };

  // How far the stream had come.
  struct Mark {
    absl::Time time;
    uint64_t uses = 0;
    uint64_t lost = 0;
  };

  uint32_t OrderIndex(uint32_t order) const;
  void TakePicks(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeSamples(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // So many samples came a second, more than could be kept.
  void LowerRate(double samples_per_second) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool WindowIsOver(absl::Time now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Turn(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  OrderUsage ReportOrder(uint32_t index) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void MakeReport(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const UsageMonitorOptions options_;
  const uint64_t cache_groups_;
  const double lowest_rate_;  // of the spatial sample

  // Have their own synchronization.
  UseRing sampled_;
  UseRing picked_;
  std::vector<std::unique_ptr<DistinctWindows>> distinct_;  // [orders]; of sampled groups

  absl::Mutex mutex_ ABSL_ACQUIRED_BEFORE(report_mutex_);                    // held by Process
  std::vector<std::unique_ptr<OrderState>> orders_ ABSL_GUARDED_BY(mutex_);  // null: unused so far
  std::unique_ptr<PolicyCurve> curve_ ABSL_GUARDED_BY(mutex_);               // likewise
  absl::Time window_start_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();   // before Process
  absl::Time previous_window_start_ ABSL_GUARDED_BY(mutex_);
  absl::Time last_report_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  Mark picks_taken_ ABSL_GUARDED_BY(mutex_);
  Mark samples_taken_ ABSL_GUARDED_BY(mutex_);
  double sample_credit_ ABSL_GUARDED_BY(mutex_) = kSampledPerSecond;  // that may be simulated now

  mutable absl::Mutex report_mutex_;
  UsageStats report_ ABSL_GUARDED_BY(report_mutex_);
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_USAGE_MONITOR_H_
