#include "storage/placement/usage_monitor.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "storage/placement/zipf_fit.h"

namespace engram::storage {
namespace {

constexpr uint32_t kRingUses = 8192;
// Slots of the RAM tier in the sample, between which its rate lies as far as kHighestRate allows.
constexpr double kMostSlots = 4096;
constexpr double kLeastSlots = 1024;
constexpr double kHighestRate = 1.0 / 8;
constexpr uint64_t kDefaultCacheGroups = 1u << 16;

constexpr int kLeastThinning = 4;
constexpr int kMostThinning = 24;

constexpr uint32_t kPopularGroups = 8192;
constexpr uint32_t kFirstRank = 10;
constexpr uint32_t kLastRank = kPopularGroups / 2;

constexpr absl::Duration kReportInterval = absl::Seconds(10);
// A shorter time between two calls says little of how much comes in a second.
constexpr absl::Duration kLeastInterval = absl::Milliseconds(500);
// What a pause may save up for later, in time.
constexpr double kMostCreditSeconds = 8;

double SecondsBetween(absl::Time from, absl::Time to) {
  return absl::ToDoubleSeconds(std::max(to - from, kLeastInterval));
}

double RateFor(double slots, uint64_t cache_groups) {
  return std::clamp(slots / static_cast<double>(cache_groups), SpatialSampler::kLowestRate,
                    kHighestRate);
}

}  // namespace

UsageMonitor::UsageMonitor(const UsageMonitorOptions& options)
    : UseObserver(kLeastThinning),
      options_(options),
      cache_groups_(options.cache_groups > 0 ? options.cache_groups : kDefaultCacheGroups),
      lowest_rate_(RateFor(kLeastSlots, cache_groups_)),
      sampled_(kRingUses),
      picked_(kRingUses) {
  mutable_sampler().Lower(RateFor(kMostSlots, cache_groups_));
  const size_t orders = std::clamp<size_t>(options_.orders.size(), 1, kMaxOrders);
  orders_.resize(orders);
  for (size_t i = 0; i < orders; ++i) distinct_.push_back(std::make_unique<DistinctWindows>());
}

uint32_t UsageMonitor::OrderIndex(uint32_t order) const {
  return std::min(order, static_cast<uint32_t>(distinct_.size()) - 1);
}

void UsageMonitor::OnSampled(const GroupKey& group) {
  distinct_[OrderIndex(group.order)]->Add(group.hash);
  sampled_.Push({.group = group});
}

void UsageMonitor::OnPicked(const GroupKey& group, bool held) {
  picked_.Push({.group = group, .held = held});
}

void UsageMonitor::Process(absl::Time now) {
  absl::MutexLock lock(&mutex_);
  if (window_start_ == absl::InfinitePast()) {
    window_start_ = previous_window_start_ = now;
    picks_taken_.time = samples_taken_.time = now - absl::Seconds(1);
  }
  TakePicks(now);
  TakeSamples(now);
  const bool turn = WindowIsOver(now);
  if (turn) Turn(now);
  if (turn || now - last_report_ >= kReportInterval) MakeReport(now);
}

void UsageMonitor::TakePicks(absl::Time now) {
  for (NotedUse use; picked_.Pop(&use);) {
    auto& order = orders_[OrderIndex(use.group.order)];
    if (order == nullptr) order = std::make_unique<OrderState>(kPopularGroups);
    order->popular.Add(use.group.hash);
    ++order->current.uses;
    order->current.held += use.held ? 1 : 0;
  }
  const uint64_t all = uses();
  const double picked = std::ldexp(static_cast<double>(all - picks_taken_.uses), -thinning()) /
                        SecondsBetween(picks_taken_.time, now);
  if (picked > 2 * kPickedPerSecond) {
    const auto more = static_cast<int>(std::ceil(std::log2(picked / kPickedPerSecond)));
    set_thinning(std::min(thinning() + more, kMostThinning));
  }
  picks_taken_ = {.time = now, .uses = all};
}

void UsageMonitor::TakeSamples(absl::Time now) {
  const double seconds = SecondsBetween(samples_taken_.time, now);
  // Simulation that was overdrawn waits, and the ring meanwhile keeps one stretch of the stream.
  const double credit = std::min(sample_credit_ + seconds * kSampledPerSecond,
                                 kMostCreditSeconds * kSampledPerSecond);
  if (credit <= 0) return;
  const Mark mark = {.time = now, .uses = uses(), .lost = sampled_.lost()};
  std::vector<GroupKey> groups;
  for (NotedUse use; groups.size() < kRingUses && sampled_.Pop(&use);) groups.push_back(use.group);
  if (groups.empty() && curve_ == nullptr) return;
  const auto taken = static_cast<double>(groups.size());
  const auto lost = static_cast<double>(mark.lost - samples_taken_.lost);
  if (lost > 0) LowerRate((taken + lost) / seconds);

  if (curve_ == nullptr) {
    curve_ = std::make_unique<PolicyCurve>(
        PolicyCurveOptions{.cache_groups = cache_groups_,
                           .rate = sampler().rate(),
                           .orders = static_cast<uint32_t>(distinct_.size()),
                           .ghosts_per_slot = options_.ghosts_per_slot,
                           .random_seed = options_.random_seed});
  }
  const auto new_uses = static_cast<double>(mark.uses - samples_taken_.uses);
  curve_->AddUses(lost > 0 ? new_uses * taken / (taken + lost) : new_uses);
  for (const GroupKey& group : groups) {
    // Some were sampled at a higher rate.
    if (sampler().Samples(group.hash)) curve_->Use(group);
  }
  sample_credit_ = credit - taken;
  samples_taken_ = mark;
}

void UsageMonitor::LowerRate(double samples_per_second) {
  const double rate =
      std::max(sampler().rate() * kSampledPerSecond / samples_per_second, lowest_rate_);
  if (rate >= sampler().rate()) return;
  mutable_sampler().Lower(rate);
  // What was counted at another rate is of no use.
  curve_.reset();
  for (const auto& windows : distinct_) {
    windows->Turn();
    windows->Turn();
  }
}

bool UsageMonitor::WindowIsOver(absl::Time now) const {
  if (now - window_start_ < options_.window) return false;
  uint64_t uses = 0;
  for (const auto& order : orders_) uses += order == nullptr ? 0 : order->current.uses;
  return uses >= options_.least_window_uses;
}

void UsageMonitor::Turn(absl::Time now) {
  uint64_t picks = 0;
  for (const auto& order : orders_) {
    if (order == nullptr) continue;
    PopularUses window = order->popular.Window(kPopularGroups);
    order->drift = MeasureDrift(order->previous_window, window);
    order->previous_window = std::move(window);
    order->popular.Halve();
    picks += order->current.uses;
    order->previous = std::exchange(order->current, Counts());
  }
  for (const auto& windows : distinct_) windows->Turn();
  const double picked = static_cast<double>(picks) / SecondsBetween(window_start_, now);
  if (picked < kPickedPerSecond / 2) set_thinning(std::max(thinning() - 1, kLeastThinning));
  previous_window_start_ = std::exchange(window_start_, now);
}

OrderUsage UsageMonitor::ReportOrder(uint32_t index) const {
  OrderUsage usage;
  if (index < options_.orders.size()) usage.order = options_.orders[index];
  const double rate = sampler().rate();
  const double sampled = distinct_[index]->Both();
  const double counting_error = DistinctCounter().relative_standard_error();
  usage.distinct = sampled / rate;
  usage.distinct_error =
      std::sqrt(sampled * (1 - rate) + std::pow(sampled * counting_error, 2)) / rate;
  const auto& order = orders_[index];
  if (order == nullptr) return usage;
  const uint64_t uses = order->current.uses + order->previous.uses;
  const uint64_t held = order->current.held + order->previous.held;
  usage.uses = static_cast<double>(uses);
  usage.hit_ratio = static_cast<double>(held) / static_cast<double>(std::max<uint64_t>(1, uses));
  const auto fit = FitZipf(order->popular.Top(kPopularGroups), kFirstRank, kLastRank);
  if (fit.has_value()) {
    usage.exponent = fit->exponent;
    usage.exponent_error = fit->standard_error;
  }
  usage.drift = order->drift.drift;
  usage.drift_error = order->drift.standard_error;
  usage.drift_coverage = order->drift.coverage;
  return usage;
}

void UsageMonitor::MakeReport(absl::Time now) {
  UsageStats report;
  report.window_seconds = absl::ToDoubleSeconds(now - previous_window_start_);
  report.sampling_rate = sampler().rate();
  report.bytes_per_group = options_.bytes_per_group;
  for (uint32_t i = 0; i < orders_.size(); ++i) report.orders.push_back(ReportOrder(i));
  if (curve_ != nullptr) {
    report.sampled_uses = curve_->sampled_uses();
    report.hit_ratios = curve_->Points();
  }
  last_report_ = now;
  absl::MutexLock lock(&report_mutex_);
  report_ = std::move(report);
}

UsageStats UsageMonitor::Report() const {
  UsageStats report;
  {
    absl::MutexLock lock(&report_mutex_);
    report = report_;
  }
  report.uses = uses();
  report.lost_uses = sampled_.lost() + picked_.lost();
  return report;
}

}  // namespace engram::storage
