// How long a device takes for so many reads at once.
#ifndef ENGRAM_TESTS_BENCH_BURST_TIMES_H_
#define ENGRAM_TESTS_BENCH_BURST_TIMES_H_

#include <cstddef>
#include <map>
#include <utility>

namespace engram::bench {

class BurstTimes {
 public:
  // us: microseconds by the number of reads, of one size or more
  explicit BurstTimes(std::map<size_t, double> us) : us_(std::move(us)) {}

  const std::map<size_t, double>& us() const { return us_; }

  // The same for any number of reads, on straight lines through those that are known; fewer than
  // the fewest of them take as long as these, and none no time.
  double UsFor(size_t reads) const;

 private:
  std::map<size_t, double> us_;
};

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_BURST_TIMES_H_
