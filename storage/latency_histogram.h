// Counts durations in buckets an eighth of an octave wide.
#ifndef ENGRAM_STORAGE_LATENCY_HISTOGRAM_H_
#define ENGRAM_STORAGE_LATENCY_HISTOGRAM_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "storage/store_stats.h"

namespace engram::storage {

// Thread-safe; Record is one relaxed increment, plus one more while the maximum grows.
class LatencyHistogram {
 public:
  void Record(absl::Duration duration);
  LatencyStats Stats() const;

 private:
  // 0 to 7 ns have a bucket each; then eight a power of two, up to 2^63 ns.
  static constexpr int kSubBuckets = 8;
  static constexpr int kBuckets = 61 * kSubBuckets + kSubBuckets;

  static int BucketOf(uint64_t nanoseconds);
  static uint64_t UpperBound(int bucket);

  std::array<std::atomic<uint64_t>, kBuckets> counts_{};
  std::atomic<uint64_t> max_ns_{0};
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_LATENCY_HISTOGRAM_H_
