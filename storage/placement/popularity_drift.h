// How much the uses of groups differ between two windows of time.
#ifndef ENGRAM_STORAGE_PLACEMENT_POPULARITY_DRIFT_H_
#define ENGRAM_STORAGE_PLACEMENT_POPULARITY_DRIFT_H_

#include "storage/placement/popular_groups.h"

namespace engram::storage {

// All in [0, 1]; of the uses of those groups that could be compared.
struct PopularityDrift {
  double drift = 0;           // share of their uses that moved, without what chance alone moves
  double standard_error = 0;  // of drift, by chance, if nothing moved
  double distance = 0;        // drift as measured, with what chance has moved
  double noise = 0;           // the distance to expect if nothing moved
  double coverage = 0;        // their share of all uses
};

// Compares two windows that have no use in common: PopularGroups::Window before and after a
// halving, listed without a narrow limit.
//
// The groups compared are those that both windows together saw often enough. They are chosen by the
// sum: of a given sum, chance alone decides how much falls into either window, and so choosing by
// it favours neither. With the shares p and q of all uses that a group has in the windows
//
//   distance = sum |p - q| / sum (p + q)
//
// which is the total variation distance if coverage is 1; otherwise a use that moves between a
// group compared and the rest is half a use moved, and what moves within the rest is not seen.
// noise is the mean of the same for normally distributed differences of the variance that
// independent uses have, and
//
//   drift = (distance - noise) / (1 - noise), or 0
//
// is right at both ends, and wherever a share of the uses moved from groups to others and the rest
// stayed as it was. Small changes of many groups are underrated: they hide in the noise. Uses in
// bursts add noise that this does not know of, and so some drift.
//
// Returns zeros if there is nothing to compare. Takes time for sorting the groups.
PopularityDrift MeasureDrift(const PopularUses& before, const PopularUses& after);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_POPULARITY_DRIFT_H_
