// What a table's misses cost those who wait for rows.
#ifndef ENGRAM_STORAGE_PLACEMENT_STALL_MODEL_H_
#define ENGRAM_STORAGE_PLACEMENT_STALL_MODEL_H_

#include "storage/store_stats.h"

namespace engram::storage {

// A fetch stalls its caller for as long as it takes beyond its table's window, and only if it needs
// the disk:
//
//   stall of a fetch = (1 - h^g) * X
//
// h is the hit ratio of the RAM tier. h^g is the share of fetches that RAM serves wholly: were the
// groups of a fetch hits independently of each other, g would be their number; as hits come
// together, it is less, and is measured: g = ln(share served wholly) / ln(h). X is the mean of
// max(0, latency - window) over fetches that needed the disk, as measured. It is taken to be the
// same at other hit ratios, which is true where a fetch's reads are all in flight at once; of
// fetches of thousands of groups, whose time is that of their reads one after another, it is the
// cost of the reads below that speaks.
//
// Each read also costs the device time that others could have had. So RAM goes where it saves most
// reads if windows hide all stall. Pure values.
class StallModel {
 public:
  // The device's time for a read: that of one with 125,000 random reads/s, a modest NVMe drive.
  static constexpr double kReadSeconds = 8e-6;

  explicit StallModel(const TableTraffic& traffic);

  // g, within 0.001 and the groups of a fetch; the latter as well while it cannot be measured.
  double independent_groups() const { return independent_groups_; }

  // Of one fetch at a hit ratio of 0 to 1, in seconds.
  double StallSeconds(double hit_ratio) const;
  double ReadsPerFetch(double hit_ratio) const;

  // Seconds of stall and of device time in each second, at the measured rate of fetches.
  double CostRate(double hit_ratio) const;

 private:
  const TableTraffic traffic_;
  const double independent_groups_;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_STALL_MODEL_H_
