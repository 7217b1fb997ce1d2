#include "storage/placement/policy_curve.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace engram::storage {
namespace {

constexpr double kSizes[] = {1.0 / 64, 1.0 / 16, 1.0 / 4, 1.0 / 2, 1, 2, 4, 16};
constexpr uint64_t kStepsPerHalfLife = 16;

}  // namespace

PolicyCurve::PolicyCurve(const PolicyCurveOptions& options)
    : rate_(options.rate),
      ageing_step_(std::max<uint64_t>(1, options.half_life / kStepsPerHalfLife)) {
  assert(options.rate > 0 && options.rate <= 1);
  for (const double size : kSizes) {
    const double groups = size * static_cast<double>(options.cache_groups);
    const auto slots = static_cast<uint32_t>(std::llround(groups * rate_));
    if (slots < kLeastSlots) continue;
    simulations_.push_back(
        {.groups = slots / rate_,
         .cache = std::make_unique<MiniatureCache>(
             slots, ReusePolicyOptions{.orders = options.orders,
                                       .ghosts_per_slot = options.ghosts_per_slot,
                                       .random_seed = options.random_seed})});
  }
}

void PolicyCurve::Use(const GroupKey& group) {
  for (Simulation& simulation : simulations_) {
    simulation.misses += simulation.cache->Use(group) ? 0 : 1;
  }
  if (++sampled_uses_ % ageing_step_ == 0) Age();
}

void PolicyCurve::AddUses(double uses) { uses_ += uses; }

void PolicyCurve::Age() {
  const double factor = std::exp2(-1.0 / static_cast<double>(kStepsPerHalfLife));
  uses_ *= factor;
  for (Simulation& simulation : simulations_) simulation.misses *= factor;
}

std::vector<HitRatioPoint> PolicyCurve::Points() const {
  std::vector<HitRatioPoint> points;
  if (uses_ <= 0) return points;
  double ratio = 0;
  for (const Simulation& simulation : simulations_) {
    ratio = std::clamp(1 - simulation.misses / (uses_ * rate_), ratio, 1.0);
    points.push_back({.groups = simulation.groups, .hit_ratio = ratio});
  }
  return points;
}

double PolicyCurve::HitRatio(double groups) const { return InterpolateHitRatio(Points(), groups); }

double InterpolateHitRatio(absl::Span<const HitRatioPoint> points, double groups) {
  if (points.empty() || groups <= 0) return 0;
  const auto above = std::lower_bound(
      points.begin(), points.end(), groups,
      [](const HitRatioPoint& point, double value) { return point.groups < value; });
  if (above == points.end()) return points.back().hit_ratio;
  if (above == points.begin()) return above->hit_ratio * groups / above->groups;
  const HitRatioPoint& below = *(above - 1);
  const double part = std::log(groups / below.groups) / std::log(above->groups / below.groups);
  return below.hit_ratio + part * (above->hit_ratio - below.hit_ratio);
}

}  // namespace engram::storage
