// What the bare device takes for a few reads at once, and for many.
#ifndef ENGRAM_TESTS_BENCH_DEVICE_BURSTS_H_
#define ENGRAM_TESTS_BENCH_DEVICE_BURSTS_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "tests/bench/burst_times.h"

namespace engram::bench {

// Reads random blocks of the SST files in a directory, in bursts of each of the sizes by turns.
// Before each burst the device and the thread rest, as they do between a paced worker's steps.
// Errors as Raw.
absl::StatusOr<BurstTimes> MeasureBursts(const std::string& dir, absl::Span<const size_t> sizes);

// Random reads of such blocks, 128 in flight: the median of some samples, which take a second in
// all. Errors as Raw.
absl::StatusOr<double> MeasureReadsPerS(const std::string& dir);

// Bursts of `size` reads, as a paced worker's, while the device is idle and while it is kept busy.
struct BurstsBesideLoad {
  double idle_p99_us = 0;
  double loaded_p99_us = 0;
  double load_reads_per_s = 0;
};

// The load is another thread with kLoadReads reads in flight. Takes some eight seconds. Errors as
// Raw.
inline constexpr int kLoadReads = 24;
absl::StatusOr<BurstsBesideLoad> MeasureBesideLoad(const std::string& dir, size_t size);

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_DEVICE_BURSTS_H_
