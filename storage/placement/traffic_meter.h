// How a table is fetched from, as RAM is divided by it.
#ifndef ENGRAM_STORAGE_PLACEMENT_TRAFFIC_METER_H_
#define ENGRAM_STORAGE_PLACEMENT_TRAFFIC_METER_H_

#include <cstdint>

#include "absl/time/time.h"
#include "storage/placement/stall_model.h"
#include "storage/store_stats.h"

namespace engram::storage {

// Rates and ratios of the latest minutes, out of counters that only grow: what happened counts half
// after a half-life. Not thread-safe.
class TrafficMeter {
 public:
  explicit TrafficMeter(absl::Duration half_life = absl::Minutes(5)) : half_life_(half_life) {}

  // Takes in how far the counters have come. `now` never goes back; the first call begins.
  void Update(const TrafficCounters& counters, absl::Time now);

  // All 0 before the second Update.
  TableTraffic Traffic() const;

 private:
  const absl::Duration half_life_;
  absl::Time last_update_ = absl::InfinitePast();
  TrafficCounters last_;
  // Since the start, aged.
  double seconds_ = 0;
  double fetches_ = 0;
  double disk_fetches_ = 0;
  double groups_ = 0;
  double ram_hits_ = 0;
  double reads_ = 0;
  double stall_seconds_ = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_TRAFFIC_METER_H_
