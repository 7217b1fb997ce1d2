// How long the bare device takes for a few reads at once.
#ifndef ENGRAM_TESTS_BENCH_DEVICE_BURSTS_H_
#define ENGRAM_TESTS_BENCH_DEVICE_BURSTS_H_

#include <cstddef>
#include <map>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace engram::bench {

class DeviceBursts {
 public:
  // Reads random blocks of the SST files in a directory, in bursts of each of the sizes by turns.
  // Before each the device and the thread rest, as they do between a paced worker's steps.
  // UNAVAILABLE or DATA_LOSS if it cannot be read.
  static absl::StatusOr<DeviceBursts> Measure(const std::string& dir,
                                              absl::Span<const size_t> sizes);

  // The median of each size, in microseconds.
  const std::map<size_t, double>& us() const { return us_; }

  // The same for any number of reads, on straight lines through the sizes that were measured; fewer
  // than the smallest of them take as long as that, and none no time.
  double UsFor(size_t reads) const;

 private:
  explicit DeviceBursts(std::map<size_t, double> us) : us_(std::move(us)) {}
  std::map<size_t, double> us_;
};

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_DEVICE_BURSTS_H_
