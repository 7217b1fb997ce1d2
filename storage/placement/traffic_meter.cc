#include "storage/placement/traffic_meter.h"

#include <cmath>

namespace engram::storage {
namespace {

// Counters are read one by one while others grow: a part may seem larger than its whole.
double Ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }

}  // namespace

void TrafficMeter::Update(const TrafficCounters& counters, absl::Time now) {
  if (last_update_ == absl::InfinitePast()) {
    last_update_ = now;
    last_ = counters;
    return;
  }
  const absl::Duration passed = now - last_update_;
  if (passed <= absl::ZeroDuration()) return;
  const double factor = std::exp2(-absl::FDivDuration(passed, half_life_));
  const auto add = [factor](double* sum, uint64_t before, uint64_t after) {
    *sum = *sum * factor + static_cast<double>(after - before);
  };
  seconds_ = seconds_ * factor + absl::ToDoubleSeconds(passed);
  add(&fetches_, last_.fetches, counters.fetches);
  add(&disk_fetches_, last_.disk_fetches, counters.disk_fetches);
  add(&groups_, last_.groups, counters.groups);
  add(&ram_hits_, last_.ram_hits, counters.ram_hits);
  add(&reads_, last_.reads, counters.reads);
  stall_seconds_ = stall_seconds_ * factor + (counters.stall_seconds - last_.stall_seconds);
  last_update_ = now;
  last_ = counters;
}

TableTraffic TrafficMeter::Traffic() const {
  return {.fetches_per_second = Ratio(fetches_, seconds_),
          .groups_per_fetch = Ratio(groups_, fetches_),
          .hit_ratio = std::fmin(1, Ratio(ram_hits_, groups_)),
          .disk_share = std::fmin(1, Ratio(disk_fetches_, fetches_)),
          .late_seconds = Ratio(stall_seconds_, disk_fetches_),
          .reads_per_miss = Ratio(reads_, groups_ - ram_hits_)};
}

}  // namespace engram::storage
