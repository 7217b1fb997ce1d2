#include "storage/placement/zipf_fit.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace engram::storage {
namespace {

constexpr uint32_t kLeastRanks = 50;
constexpr uint32_t kLeastSpan = 4;  // last rank / first rank
constexpr double kMaxExponent = 16;
constexpr double kExponentTolerance = 1e-7;
constexpr int kMaxSteps = 60;

struct LogRank {
  double mean = 0;
  double variance = 0;
};

// ln(rank) of the law with this exponent. Its weights are relative to the first rank's, so that
// they do not vanish.
LogRank Expect(absl::Span<const double> log_ranks, double exponent) {
  double sum = 0;
  double first = 0;
  double second = 0;
  for (const double log_rank : log_ranks) {
    const double beyond = log_rank - log_ranks[0];
    const double weight = std::exp(-exponent * beyond);
    sum += weight;
    first += weight * beyond;
    second += weight * beyond * beyond;
  }
  const double mean = first / sum;
  return {.mean = log_ranks[0] + mean, .variance = second / sum - mean * mean};
}

// Uses and the mean of ln(rank) over them, `excess` taken off each count.
struct Observed {
  double uses = 0;
  double mean = 0;
};

Observed Observe(absl::Span<const double> counts, absl::Span<const double> log_ranks,
                 double excess) {
  Observed observed;
  double sum = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    observed.uses += counts[i] - excess;
    sum += (counts[i] - excess) * log_ranks[i];
  }
  observed.mean = sum / observed.uses;
  return observed;
}

// The exponent that makes the law's mean the observed one. The mean falls with the exponent, so
// there is one; Newton's steps are kept between bounds that close in on it.
double Solve(absl::Span<const double> log_ranks, double observed_mean, double start) {
  double low = 0;
  double high = kMaxExponent;
  double exponent = start;
  for (int step = 0; step < kMaxSteps; ++step) {
    const LogRank expected = Expect(log_ranks, exponent);
    (expected.mean > observed_mean ? low : high) = exponent;
    const double before = exponent;
    exponent += (expected.mean - observed_mean) / expected.variance;
    if (!(exponent > low && exponent < high)) exponent = (low + high) / 2;
    if (std::abs(exponent - before) < kExponentTolerance) break;
  }
  return exponent;
}

}  // namespace

std::optional<ZipfFit> FitZipf(absl::Span<const double> counts, const ZipfWindow& window) {
  const double least = std::max(window.least_count, kLeastZipfCount);
  const auto end = std::partition_point(counts.begin(), counts.end(),
                                        [least](double count) { return count >= least; });
  const uint32_t first = std::max(window.first_rank, 1u);
  const auto last = static_cast<uint32_t>(
      std::min<size_t>(static_cast<size_t>(end - counts.begin()), window.last_rank));
  if (last < first || last - first + 1 < kLeastRanks || last / first < kLeastSpan) return {};
  counts = counts.subspan(first - 1, last - first + 1);

  std::vector<double> log_ranks(counts.size());
  for (size_t i = 0; i < counts.size(); ++i) {
    log_ranks[i] = std::log(static_cast<double>(first) + static_cast<double>(i));
  }
  // The excess depends on the exponent, but little on its error.
  constexpr int kRounds = 4;
  double exponent = Solve(log_ranks, Observe(counts, log_ranks, 0).mean, 1);
  Observed observed;
  for (int round = 0; round < kRounds; ++round) {
    const double excess = std::min(window.dispersion / (2 * exponent), counts.back() / 2);
    observed = Observe(counts, log_ranks, excess);
    exponent = Solve(log_ranks, observed.mean, exponent);
  }
  const double information = observed.uses * Expect(log_ranks, exponent).variance;
  return ZipfFit{.exponent = exponent,
                 .standard_error = std::sqrt(window.dispersion / information),
                 .first_rank = first,
                 .last_rank = last,
                 .uses = observed.uses};
}

std::optional<ZipfFit> FitZipf(const PopularUses& uses, uint32_t first_rank, uint32_t last_rank) {
  std::vector<double> counts;
  counts.reserve(std::min<size_t>(uses.groups.size(), last_rank));
  for (const PopularGroup& group : uses.groups) {
    if (counts.size() == last_rank) break;
    counts.push_back(group.estimate);
  }
  return FitZipf(counts, {.first_rank = first_rank,
                          .last_rank = last_rank,
                          .least_count = 2.0 * uses.unlisted,
                          .dispersion = uses.dispersion});
}

}  // namespace engram::storage
