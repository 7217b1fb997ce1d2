// The exponent of a Zipf distribution, from counts by rank.
#ifndef ENGRAM_STORAGE_PLACEMENT_ZIPF_FIT_H_
#define ENGRAM_STORAGE_PLACEMENT_ZIPF_FIT_H_

#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "storage/placement/popular_groups.h"

namespace engram::storage {

struct ZipfWindow {
  uint32_t first_rank = 10;     // of the most used groups, few follow the law
  uint32_t last_rank = 10'000;  // at most
  double least_count = 0;       // ranks with lower counts are left out; at least kLeastZipfCount
  double dispersion = 1;        // of a count by chance, variance / mean: see PopularUses
};

// Lower counts are in an order that chance has made: see FitZipf.
inline constexpr double kLeastZipfCount = 16;

struct ZipfFit {
  double exponent = 0;
  double standard_error = 0;
  uint32_t first_rank = 0;  // the ranks that the exponent is for
  uint32_t last_rank = 0;
  double uses = 0;  // of these ranks' groups
};

// Fits p(rank) ~ rank^-exponent, on the ranks of a window, by maximum likelihood: the exponent for
// which the mean of ln(rank) over the window's uses is what the law expects on that finite support
// (Hanel, Corominas-Murtra, Liu, Thurner: "Fitting power laws in empirical data with estimators
// that work for all exponents", 2017). So it may be below, at and above 1. The standard error is
// that of the observed Fisher information, uses x variance of ln(rank), for independent uses.
//
// `counts` falls from the first rank, index 0, on. Ranks are those of the counts themselves, and
// this order favours groups that had luck: below a rank there are always more groups than above it
// that may take it by chance. Of a power law with normal noise of variance dispersion x count the
// count at a rank is too high by dispersion / (2 exponent), whatever the rank: the number of groups
// above count c falls as c^-1/exponent, and that curve, smeared by noise, rises by half its second
// derivative times the variance. The fit takes that much off each count. What remains is of the
// order of 1 / count^2, and least_count keeps it small: less than a fifth of the standard error for
// exponents from 0.5 on. Below 0.3 the order is mostly noise, and so is the result.
//
// The standard error is for a stream that follows the law. Of one that follows it roughly, as
// streams of text do, different windows have different exponents: compare like with like.
//
// Returns nothing if the window has fewer than 50 ranks or spans less than a factor of four.
std::optional<ZipfFit> FitZipf(absl::Span<const double> counts, const ZipfWindow& window);

// The same of listed groups, of which those are left out that may have been mistaken for others:
// whose count is not twice what an unlisted group may have. `uses` lists more groups than the
// window has ranks.
std::optional<ZipfFit> FitZipf(const PopularUses& uses, uint32_t first_rank = 10,
                               uint32_t last_rank = 10'000);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_ZIPF_FIT_H_
