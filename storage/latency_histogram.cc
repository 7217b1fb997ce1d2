#include "storage/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace engram::storage {

int LatencyHistogram::BucketOf(uint64_t nanoseconds) {
  if (nanoseconds < kSubBuckets) {
    return static_cast<int>(nanoseconds);
  }
  const int octave = static_cast<int>(std::bit_width(nanoseconds)) - 4;  // 0 for 8..15
  const int sub = static_cast<int>(nanoseconds >> octave) - kSubBuckets;
  return (octave + 1) * kSubBuckets + sub;
}

uint64_t LatencyHistogram::UpperBound(int bucket) {
  if (bucket < kSubBuckets) {
    return static_cast<uint64_t>(bucket);
  }
  const int octave = bucket / kSubBuckets - 1;
  const auto sub = static_cast<uint64_t>(bucket % kSubBuckets + kSubBuckets);
  return ((sub + 1) << octave) - 1;
}

void LatencyHistogram::Record(absl::Duration duration) {
  const auto ns = static_cast<uint64_t>(std::max<int64_t>(0, absl::ToInt64Nanoseconds(duration)));
  counts_[static_cast<size_t>(BucketOf(ns))].fetch_add(1, std::memory_order_relaxed);
  uint64_t max = max_ns_.load(std::memory_order_relaxed);
  while (ns > max && !max_ns_.compare_exchange_weak(max, ns, std::memory_order_relaxed)) {
  }
}

LatencyStats LatencyHistogram::Stats() const {
  std::array<uint64_t, kBuckets> counts;
  uint64_t total = 0;
  for (int i = 0; i < kBuckets; ++i) {
    counts[static_cast<size_t>(i)] =
        counts_[static_cast<size_t>(i)].load(std::memory_order_relaxed);
    total += counts[static_cast<size_t>(i)];
  }
  const double max_us = static_cast<double>(max_ns_.load(std::memory_order_relaxed)) / 1e3;
  const auto percentile = [&](double fraction) {
    const auto rank = std::max<uint64_t>(
        1, static_cast<uint64_t>(std::ceil(fraction * static_cast<double>(total))));
    uint64_t seen = 0;
    for (int i = 0; i < kBuckets; ++i) {
      seen += counts[static_cast<size_t>(i)];
      if (seen >= rank) {
        return std::min(max_us, static_cast<double>(UpperBound(i)) / 1e3);
      }
    }
    return 0.0;
  };
  return {.count = total,
          .p50_us = percentile(0.5),
          .p90_us = percentile(0.9),
          .p99_us = percentile(0.99),
          .p999_us = percentile(0.999),
          .max_us = max_us};
}

}  // namespace engram::storage
