// What all benchmarks share: medians, a scratch directory, and what the kernel counted.
#ifndef ENGRAM_TESTS_BENCH_MEASURE_H_
#define ENGRAM_TESTS_BENCH_MEASURE_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace engram::bench {

// Fewer rounds make no median.
inline constexpr int kMinRounds = 5;

// What `part` of the values, below 1, are below; of no values, 0.
double Quantile(std::vector<double> values, double part);

// The upper one of an even number of values; at least one.
double Median(std::vector<double> values);

// The median of over[i] / under[i]: both were measured in the same rounds, so that what disturbed a
// round disturbed both.
double MedianRatio(const std::vector<double>& over, const std::vector<double>& under);

// Bytes that this process has made the device read so far: reads served by the page cache are not
// among them. UNAVAILABLE if the kernel does not count them.
absl::StatusOr<uint64_t> DeviceBytesRead();

// How long the disk below `path` has been at work so far, whoever for. UNAVAILABLE where the kernel
// does not count it, as for file systems in memory.
absl::StatusOr<absl::Duration> DiskBusyTime(const std::string& path);

// What this process has used so far, user and system, in all threads.
absl::Duration CpuTime();

// A new directory, removed with all it holds when the object goes.
class ScratchDir {
 public:
  // Below `parent`, or below TMPDIR if that is empty.
  //   UNAVAILABLE  it cannot be made
  static absl::StatusOr<std::unique_ptr<ScratchDir>> Make(const std::string& parent);
  ~ScratchDir();
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;

  // The path of `name` in it; nothing is created.
  std::string Path(const std::string& name) const { return path_ / name; }

 private:
  explicit ScratchDir(std::filesystem::path path) : path_(std::move(path)) {}
  const std::filesystem::path path_;
};

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_MEASURE_H_
