#include "client/ctl/advice.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "client/ctl/table_names.h"
#include "client/ctl/units.h"

namespace engram::ctl {
namespace {

absl::Status CheckTraffic(const v1::TableStats& table) {
  const std::string name = Describe(table.identity());
  if (!table.has_usage()) {
    return absl::FailedPreconditionError(
        absl::StrCat(name, " is held whole in RAM, so that no other size was simulated"));
  }
  const v1::TableUsage& usage = table.usage();
  if (usage.sampled_uses() >= kLeastAdviceUses && !usage.hit_ratios().empty()) {
    return absl::OkStatus();
  }
  std::string more = "fetch from it";
  if (usage.sampling_rate() > 0) {
    const auto lacking = static_cast<double>(
        kLeastAdviceUses - std::min(kLeastAdviceUses, uint64_t{usage.sampled_uses()}));
    const double groups = std::max(1.0, std::ceil(lacking / usage.sampling_rate()));
    absl::StrAppend(&more, " about ", FormatCount(static_cast<uint64_t>(groups)), " groups more");
  }
  if (usage.lost_uses() > 0) {
    absl::StrAppend(&more, ", not as fast as now (", FormatCount(usage.lost_uses()),
                    " uses could not be looked at)");
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "too little traffic of ", name, " was seen to advise on: ", FormatCount(usage.sampled_uses()),
      " of ", FormatCount(kLeastAdviceUses), " sampled uses; ", more,
      ", and ask again ten seconds later"));
}

}  // namespace

absl::StatusOr<Advice> Advice::Create(const v1::GetStatsResponse& stats) {
  const auto table = std::find_if(stats.tables().begin(), stats.tables().end(),
                                  [](const v1::TableStats& each) { return each.published(); });
  if (table == stats.tables().end()) {
    return absl::FailedPreconditionError("no version of the table is published");
  }
  if (absl::Status status = CheckTraffic(*table); !status.ok()) return status;
  return Advice(*table);
}

std::vector<SizeAdvice> Advice::Simulated() const {
  std::vector<SizeAdvice> sizes;
  for (const v1::HitRatioPoint& point : table_.usage().hit_ratios()) {
    sizes.push_back({.bytes = point.bytes(), .hit_ratio = point.hit_ratio()});
  }
  return sizes;
}

// A straight line over the logarithm of the size; from nothing to the smallest, over the size.
SizeAdvice Advice::ForBytes(double bytes) const {
  const auto& points = table_.usage().hit_ratios();
  const auto above = std::lower_bound(
      points.begin(), points.end(), bytes,
      [](const v1::HitRatioPoint& point, double value) { return point.bytes() < value; });
  if (above == points.end()) {
    return {.bytes = bytes, .hit_ratio = points.rbegin()->hit_ratio(), .at_least = true};
  }
  if (above == points.begin()) {
    return {.bytes = bytes,
            .hit_ratio = above->hit_ratio() * bytes / above->bytes(),
            .at_least = bytes < above->bytes()};
  }
  const v1::HitRatioPoint& below = *(above - 1);
  const double part = std::log(bytes / below.bytes()) / std::log(above->bytes() / below.bytes());
  return {.bytes = bytes,
          .hit_ratio = below.hit_ratio() + part * (above->hit_ratio() - below.hit_ratio())};
}

TargetAdvice Advice::ForHitRatio(double hit_ratio) const {
  const auto& points = table_.usage().hit_ratios();
  const auto above = std::lower_bound(
      points.begin(), points.end(), hit_ratio,
      [](const v1::HitRatioPoint& point, double value) { return point.hit_ratio() < value; });
  TargetAdvice advice = {.hit_ratio = hit_ratio, .bytes = std::nullopt};
  if (above == points.end()) return advice;
  if (above == points.begin()) {
    advice.bytes = above->bytes();
    advice.at_most = true;
    return advice;
  }
  const v1::HitRatioPoint& below = *(above - 1);
  const double part = (hit_ratio - below.hit_ratio()) / (above->hit_ratio() - below.hit_ratio());
  advice.bytes = below.bytes() * std::pow(above->bytes() / below.bytes(), part);
  return advice;
}

double Advice::ColdReadsPerGroup(double hit_ratio) const {
  return (1 - hit_ratio) * table_.spec().group_size();
}

}  // namespace engram::ctl
