#include "storage/placement/miss_ratio_curve.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace engram::storage {
namespace {

constexpr uint64_t kStepsPerHalfLife = 16;
// Groups dropped at once, lest each costs a look at all: an eighth of those tracked.
constexpr double kRateStep = 7.0 / 8;

}  // namespace

uint64_t MissRatioCurve::BytesFor(const MissRatioCurveOptions& options) {
  return uint64_t{options.tracked_groups} * (LruStack::kBytesPerGroup + sizeof(double));
}

MissRatioCurve::MissRatioCurve(const MissRatioCurveOptions& options)
    : capacity_(options.tracked_groups),
      lowest_rate_(std::clamp(options.tracked_groups / static_cast<double>(options.largest_cache),
                              SpatialSampler::kLowestRate, 1.0)),
      ageing_step_(std::max<uint64_t>(1, options.half_life / kStepsPerHalfLife)),
      stack_(options.tracked_groups),
      uses_at_(options.tracked_groups),
      until_ageing_(ageing_step_) {
  assert(options.tracked_groups >= 16 && options.largest_cache > 0);
}

void MissRatioCurve::Add(uint64_t hash) {
  AddUnsampled(1);
  if (!sampler_.Samples(hash)) return;
  const double weight = 1 / sampler_.rate();
  sampled_uses_ += weight;
  const uint32_t distance = stack_.Use(hash);
  if (distance != LruStack::kNotHeld) uses_at_[distance] += weight;
  if (stack_.size() == capacity_) MakeRoom();
}

void MissRatioCurve::AddUnsampled(uint64_t uses) {
  for (; uses >= until_ageing_; uses -= until_ageing_, until_ageing_ = ageing_step_) {
    uses_ += static_cast<double>(until_ageing_);
    Age();
  }
  uses_ += static_cast<double>(uses);
  until_ageing_ -= uses;
}

void MissRatioCurve::Age() {
  const double factor = std::exp2(-1.0 / static_cast<double>(kStepsPerHalfLife));
  for (double& uses : uses_at_) uses *= factor;
  sampled_uses_ *= factor;
  uses_ *= factor;
}

void MissRatioCurve::MakeRoom() {
  while (stack_.size() == capacity_ && sampler_.rate() > lowest_rate_) {
    LowerRate(std::max(sampler_.rate() * kRateStep, lowest_rate_));
  }
  if (stack_.size() == capacity_) stack_.DropOldest();
}

void MissRatioCurve::LowerRate(double rate) {
  const double before = sampler_.rate();
  sampler_.Lower(rate);
  stack_.DropIf([this](uint64_t hash) { return !sampler_.Samples(hash); });
  // Distances shrink with the sample: what lay between d and d + 1 is spread over that stretch of
  // the new scale, which is at most two steps long.
  const double scale = sampler_.rate() / before;
  for (size_t distance = 0; distance < uses_at_.size(); ++distance) {
    const double uses = uses_at_[distance];
    uses_at_[distance] = 0;
    const double from = static_cast<double>(distance) * scale;
    const auto step = static_cast<size_t>(from);
    const double in_first = std::min(1.0, (static_cast<double>(step) + 1 - from) / scale);
    uses_at_[step] += uses * in_first;
    if (in_first < 1) uses_at_[step + 1] += uses * (1 - in_first);
  }
}

std::vector<double> MissRatioCurve::HitRatios(absl::Span<const uint64_t> cache_groups) const {
  std::vector<double> hits_within(uses_at_.size() + 1);  // a stack distance below the index
  for (size_t distance = 0; distance < uses_at_.size(); ++distance) {
    hits_within[distance + 1] = hits_within[distance] + uses_at_[distance];
  }
  const double correction = uses_ - sampled_uses_;
  std::vector<double> ratios;
  ratios.reserve(cache_groups.size());
  for (const uint64_t groups : cache_groups) {
    const double size = std::min(static_cast<double>(groups) * sampler_.rate(),
                                 static_cast<double>(uses_at_.size()));
    const auto step = std::min(static_cast<size_t>(size), uses_at_.size() - 1);
    const double part = size - static_cast<double>(step);
    const double hits =
        hits_within[step] + part * uses_at_[step] + correction * std::min(size, 1.0);
    ratios.push_back(uses_ > 0 ? std::clamp(hits / uses_, 0.0, 1.0) : 0);
  }
  return ratios;
}

}  // namespace engram::storage
