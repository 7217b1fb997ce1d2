#include "storage/placement/stall_model.h"

#include <algorithm>
#include <cmath>

namespace engram::storage {
namespace {

double IndependentGroups(const TableTraffic& traffic) {
  constexpr double kLeast = 1e-3;
  const double most = std::max(kLeast, traffic.groups_per_fetch);
  const bool measured = traffic.hit_ratio > 0 && traffic.hit_ratio < 1 && traffic.disk_share > 0;
  if (!measured || traffic.disk_share >= 1) return most;
  return std::clamp(std::log1p(-traffic.disk_share) / std::log(traffic.hit_ratio), kLeast, most);
}

}  // namespace

StallModel::StallModel(const TableTraffic& traffic)
    : traffic_(traffic), independent_groups_(IndependentGroups(traffic)) {}

double StallModel::StallSeconds(double hit_ratio) const {
  return (1 - std::pow(hit_ratio, independent_groups_)) * traffic_.late_seconds;
}

double StallModel::ReadsPerFetch(double hit_ratio) const {
  return (1 - hit_ratio) * traffic_.groups_per_fetch * traffic_.reads_per_miss;
}

double StallModel::CostRate(double hit_ratio) const {
  return traffic_.fetches_per_second *
         (StallSeconds(hit_ratio) + ReadsPerFetch(hit_ratio) * kReadSeconds);
}

}  // namespace engram::storage
