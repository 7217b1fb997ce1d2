#include "storage/placement/share_planner.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

namespace engram::storage {
namespace {

constexpr double kSizesPerOctave = 16;
constexpr double kOctaves = 24;  // below most_bytes

struct Corner {
  double bytes;
  double cost;
};

// A stretch of a table's hull.
struct Segment {
  size_t table;
  double bytes;
  double saving_per_byte;
};

double Slope(const Corner& from, const Corner& to) {
  return (to.cost - from.cost) / (to.bytes - from.bytes);
}

// The lower convex hull of the cost between least_bytes and most_bytes (Andrew's monotone chain).
std::vector<Corner> HullOf(const ShareCandidate& candidate) {
  const auto least = static_cast<double>(candidate.least_bytes);
  const auto most = static_cast<double>(candidate.most_bytes);
  std::vector<Corner> hull;
  const auto add = [&](double bytes) {
    const Corner corner = {bytes, candidate.cost(bytes)};
    while (hull.size() >= 2 &&
           Slope(hull[hull.size() - 2], hull.back()) >= Slope(hull.back(), corner)) {
      hull.pop_back();
    }
    hull.push_back(corner);
  };
  add(least);
  // Sizes are close together above the least one, as they are above nothing.
  for (double step = -kOctaves * kSizesPerOctave; step <= 0; ++step) {
    const double bytes = least + (most - least) * std::exp2(step / kSizesPerOctave);
    if (bytes > hull.back().bytes + 1) add(bytes);
  }
  return hull;
}

// Gives each of `tables` its part of `budget` by size, above what it has in `bytes` and up to its
// most. Returns what is left.
uint64_t DivideBySize(absl::Span<const ShareCandidate> candidates, std::vector<size_t> tables,
                      uint64_t budget, std::vector<uint64_t>* bytes) {
  while (budget > 0) {
    std::erase_if(tables, [&](size_t i) { return (*bytes)[i] >= candidates[i].most_bytes; });
    double size = 0;
    for (const size_t i : tables) size += static_cast<double>(candidates[i].table_bytes);
    if (size <= 0) break;
    uint64_t given = 0;
    for (const size_t i : tables) {
      const double part = static_cast<double>(candidates[i].table_bytes) / size;
      const auto more = std::min(static_cast<uint64_t>(part * static_cast<double>(budget)),
                                 candidates[i].most_bytes - (*bytes)[i]);
      (*bytes)[i] += more;
      given += more;
    }
    if (given == 0) break;  // what remains are roundings
    budget -= given;
  }
  return budget;
}

// Gives the bytes to the stretches that save most each. Returns what is left.
uint64_t FollowHulls(absl::Span<const ShareCandidate> candidates, absl::Span<const size_t> tables,
                     uint64_t budget, std::vector<uint64_t>* bytes) {
  std::vector<Segment> segments;
  for (const size_t i : tables) {
    if (candidates[i].most_bytes <= candidates[i].least_bytes) continue;
    const std::vector<Corner> hull = HullOf(candidates[i]);
    for (size_t j = 0; j + 1 < hull.size(); ++j) {
      segments.push_back({i, hull[j + 1].bytes - hull[j].bytes, -Slope(hull[j], hull[j + 1])});
    }
  }
  // Stable: the stretches of one table stay in the order of their bytes.
  std::stable_sort(segments.begin(), segments.end(), [](const Segment& a, const Segment& b) {
    return a.saving_per_byte > b.saving_per_byte;
  });
  std::vector<double> more(candidates.size(), 0);
  auto left = static_cast<double>(budget);
  for (const Segment& segment : segments) {
    if (segment.saving_per_byte <= 0 || left <= 0) break;
    const double taken = std::min(left, segment.bytes);
    more[segment.table] += taken;
    left -= taken;
  }
  uint64_t given = 0;
  for (const size_t i : tables) {
    const auto whole = std::min(static_cast<uint64_t>(more[i]), budget - given);
    (*bytes)[i] += whole;
    given += whole;
  }
  return budget - given;
}

double CostOf(absl::Span<const ShareCandidate> candidates, absl::Span<const size_t> known,
              const std::function<uint64_t(size_t)>& bytes_of) {
  double cost = 0;
  for (const size_t i : known) cost += candidates[i].cost(static_cast<double>(bytes_of(i)));
  return cost;
}

}  // namespace

SharePlan PlanShares(absl::Span<const ShareCandidate> candidates, uint64_t budget_bytes) {
  SharePlan plan = {.bytes = std::vector<uint64_t>(candidates.size(), 0)};
  std::vector<size_t> known;
  std::vector<size_t> all(candidates.size());
  std::iota(all.begin(), all.end(), 0);
  double size = 0;
  for (const ShareCandidate& candidate : candidates) {
    size += static_cast<double>(candidate.table_bytes);
  }
  uint64_t left = budget_bytes;
  for (const size_t i : all) {
    const ShareCandidate& candidate = candidates[i];
    uint64_t bytes = candidate.least_bytes;
    if (candidate.cost == nullptr) {
      const double part = size > 0 ? static_cast<double>(candidate.table_bytes) / size : 0;
      const auto by_size = static_cast<uint64_t>(part * static_cast<double>(budget_bytes));
      bytes = std::max(bytes, std::min(by_size, candidate.most_bytes));
    } else {
      known.push_back(i);
    }
    plan.bytes[i] = std::min(bytes, left);
    left -= plan.bytes[i];
  }
  left = FollowHulls(candidates, known, left, &plan.bytes);
  DivideBySize(candidates, all, left, &plan.bytes);
  plan.cost_now = CostOf(candidates, known, [&](size_t i) { return candidates[i].current_bytes; });
  plan.cost_planned = CostOf(candidates, known, [&](size_t i) { return plan.bytes[i]; });
  const double cost_least =
      CostOf(candidates, known, [&](size_t i) { return candidates[i].most_bytes; });
  const double gain = plan.cost_now - plan.cost_planned;
  plan.worthwhile = gain > 0 && gain >= kLeastGain * (plan.cost_now - cost_least);
  return plan;
}

std::vector<uint64_t> StepTowards(absl::Span<const uint64_t> from, absl::Span<const uint64_t> to,
                                  uint64_t most_bytes) {
  assert(from.size() == to.size());
  double lost = 0;
  double won = 0;
  for (size_t i = 0; i < from.size(); ++i) {
    const double change = static_cast<double>(to[i]) - static_cast<double>(from[i]);
    (change < 0 ? lost : won) += std::abs(change);
  }
  const double moved = std::max(lost, won);
  const double part = moved > 0 ? std::min(1.0, static_cast<double>(most_bytes) / moved) : 1;
  if (part >= 1) return {to.begin(), to.end()};
  std::vector<uint64_t> step;
  for (size_t i = 0; i < from.size(); ++i) {
    const double change = static_cast<double>(to[i]) - static_cast<double>(from[i]);
    step.push_back(static_cast<uint64_t>(static_cast<double>(from[i]) + part * change));
  }
  return step;
}

}  // namespace engram::storage
