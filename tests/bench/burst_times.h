// How long a device takes for so many reads at once.
#ifndef ENGRAM_TESTS_BENCH_BURST_TIMES_H_
#define ENGRAM_TESTS_BENCH_BURST_TIMES_H_

#include <cstddef>
#include <map>
#include <utility>
#include <vector>

namespace engram::bench {

class BurstTimes {
 public:
  // Microseconds by the number of reads, of one size or more.
  using Round = std::map<size_t, double>;

  // One round or more, all of the same sizes.
  explicit BurstTimes(std::vector<Round> rounds) : rounds_(std::move(rounds)) {}

  size_t rounds() const { return rounds_.size(); }

  // The medians of all rounds.
  Round Medians() const;

  // What a burst of any size took in a round: on straight lines between the sizes that were
  // measured. Fewer reads than the fewest take as long as these, more than the most in proportion,
  // and none no time.
  double UsFor(size_t reads, size_t round) const;

 private:
  std::vector<Round> rounds_;
};

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_BURST_TIMES_H_
