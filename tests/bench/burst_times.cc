#include "tests/bench/burst_times.h"

#include <iterator>

namespace engram::bench {

double BurstTimes::UsFor(size_t reads) const {
  if (reads == 0) return 0;
  auto above = us_.lower_bound(reads);
  if (above == us_.begin()) return above->second;
  if (above == us_.end()) above = std::prev(above);  // beyond, on the last line
  const auto [size, us] = *above;
  const auto [less, less_us] =
      above == us_.begin() ? std::pair<const size_t, double>{0, 0} : *std::prev(above);
  return us + (us - less_us) / static_cast<double>(size - less) *
                  (static_cast<double>(reads) - static_cast<double>(size));
}

}  // namespace engram::bench
