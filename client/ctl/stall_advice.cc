#include "client/ctl/stall_advice.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/ctl/table_names.h"

namespace engram::ctl {
namespace {

constexpr double kSizesPerOctave = 16;
// Below the smallest size simulated, where ratios are a straight line.
constexpr double kOctavesBelow = 4;
constexpr int kHalvings = 40;

}  // namespace

double StallTarget::bytes() const {
  double sum = 0;
  for (const StallShare& table : tables) sum += table.bytes;
  return sum;
}

double StallTarget::reads_per_second() const {
  double sum = 0;
  for (const StallShare& table : tables) sum += table.reads_per_fetch * table.fetches_per_second;
  return sum;
}

StallAdvice::StallAdvice(std::vector<Advice> tables, std::optional<double> tokens_per_second)
    : tables_(std::move(tables)), tokens_per_second_(tokens_per_second) {}

absl::StatusOr<StallAdvice> StallAdvice::Create(std::vector<Advice> tables,
                                                std::optional<double> tokens_per_second) {
  for (const Advice& advice : tables) {
    const v1::TablePlacement& placement = advice.table().placement();
    if (placement.fetches_per_second() > 0 && placement.disk_share() > 0) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("no fetch of ", Describe(advice.table().identity()),
                     " needed NVMe lately, so that what it takes then is not known"));
  }
  return StallAdvice(std::move(tables), tokens_per_second);
}

StallShare StallAdvice::ShareOf(size_t table, double bytes) const {
  const Advice& advice = tables_[table];
  const v1::TablePlacement& placement = advice.table().placement();
  const double hit_ratio = advice.ForBytes(bytes).hit_ratio;
  return {
      .bytes = bytes,
      .hit_ratio = hit_ratio,
      .stall_us = (1 - std::pow(hit_ratio, placement.independent_groups())) * placement.late_us(),
      .reads_per_fetch =
          (1 - hit_ratio) * placement.groups_per_fetch() * placement.reads_per_miss(),
      .fetches_per_second = tokens_per_second_.value_or(placement.fetches_per_second())};
}

double StallAdvice::StallOf(size_t table, double bytes) const {
  const StallShare share = ShareOf(table, bytes);
  return share.stall_us / 1e6 * share.fetches_per_second;
}

double StallAdvice::StallOfAll(absl::Span<const double> bytes) const {
  double stall = 0;
  for (size_t table = 0; table < tables_.size(); ++table) stall += StallOf(table, bytes[table]);
  return stall;
}

std::vector<double> StallAdvice::SizesOf(size_t table) const {
  const std::vector<SizeAdvice> simulated = tables_[table].Simulated();
  const double most = simulated.back().bytes;
  const double octaves = std::log2(most / simulated.front().bytes) + kOctavesBelow;
  std::vector<double> sizes;
  for (double step = -std::ceil(octaves * kSizesPerOctave); step <= 0; ++step) {
    sizes.push_back(most * std::exp2(step / kSizesPerOctave));
  }
  return sizes;
}

std::optional<size_t> StallAdvice::Grow(absl::Span<const std::vector<double>> sizes,
                                        std::vector<double>* bytes) const {
  std::optional<size_t> best;
  double best_bytes = 0;
  double best_saving = 0;
  for (size_t table = 0; table < tables_.size(); ++table) {
    const double now = (*bytes)[table];
    const double stall = StallOf(table, now);
    for (const double size : sizes[table]) {
      if (size <= now) continue;
      const double saving = (stall - StallOf(table, size)) / (size - now);
      if (saving <= best_saving) continue;
      best = table;
      best_bytes = size;
      best_saving = saving;
    }
  }
  if (best.has_value()) (*bytes)[*best] = best_bytes;
  return best;
}

StallTarget StallAdvice::ForTarget(double target) const {
  std::vector<std::vector<double>> sizes;
  for (size_t table = 0; table < tables_.size(); ++table) sizes.push_back(SizesOf(table));
  std::vector<double> bytes(tables_.size(), 0);
  std::vector<double> before = bytes;
  std::optional<size_t> grown;
  while (StallOfAll(bytes) > target) {
    before = bytes;
    grown = Grow(sizes, &bytes);
    if (!grown.has_value()) break;
  }
  const bool reached = StallOfAll(bytes) <= target;
  if (reached && grown.has_value()) {
    // Of the last piece only as much as it takes.
    double low = before[*grown];
    for (int i = 0; i < kHalvings; ++i) {
      std::vector<double> middle = bytes;
      middle[*grown] = (low + bytes[*grown]) / 2;
      if (StallOfAll(middle) <= target) {
        bytes = middle;
      } else {
        low = middle[*grown];
      }
    }
  }
  StallTarget found = {.target = target, .stall = StallOfAll(bytes), .reached = reached};
  for (size_t table = 0; table < tables_.size(); ++table) {
    found.tables.push_back(ShareOf(table, bytes[table]));
  }
  return found;
}

}  // namespace engram::ctl
