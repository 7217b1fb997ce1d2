// How many different groups were used, without remembering them.
#ifndef ENGRAM_STORAGE_PLACEMENT_DISTINCT_COUNTER_H_
#define ENGRAM_STORAGE_PLACEMENT_DISTINCT_COUNTER_H_

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace engram::storage {

// HyperLogLog (Flajolet, Fusy, Gandouet, Meunier 2007) with the improved raw estimator of Ertl
// ("New cardinality estimation methods for HyperLogLog sketches", 2017, algorithm 6), which needs
// no tables and has next to no bias from none up to 2^60 hashes. Takes 2^precision bytes.
//
// Hashes must be well mixed in all 64 bits, and not have been chosen by a threshold on themselves.
class DistinctCounter {
 public:
  static constexpr int kMinPrecision = 4;
  static constexpr int kMaxPrecision = 18;
  static constexpr int kDefaultPrecision = 12;

  explicit DistinctCounter(int precision = kDefaultPrecision);

  // Thread-safe and lock-free: a load, and a store for as long as the count grows.
  void Add(uint64_t hash) {
    std::atomic<uint8_t>& highest = registers_[hash >> (64 - precision_)];
    const uint64_t end = uint64_t{1} << (precision_ - 1);  // where the hash's bits are used up
    const auto rank = static_cast<uint8_t>(1 + std::countl_zero(hash << precision_ | end));
    uint8_t seen = highest.load(std::memory_order_relaxed);
    while (rank > seen && !highest.compare_exchange_weak(seen, rank, std::memory_order_relaxed)) {
    }
  }

  // How many different hashes were added. Thread-safe; counts any part of what is added meanwhile.
  double Estimate() const;

  // Standard error of an estimate, relative to it: 1.6 % with the default precision. Estimates far
  // below 2^precision are better.
  double relative_standard_error() const;

  // Counts what `other`, of the same precision, has counted. Thread-safe.
  void Merge(const DistinctCounter& other);

  // Forgets everything. Of what is added meanwhile some may be forgotten, too.
  void Clear();

 private:
  const int precision_;
  std::vector<std::atomic<uint8_t>> registers_;  // highest rank seen; 0: none
};

// Counts in windows of time: the one under way and the one before it.
class DistinctWindows {
 public:
  explicit DistinctWindows(int precision = DistinctCounter::kDefaultPrecision);

  // Thread-safe and lock-free.
  void Add(uint64_t hash) { windows_[current_.load(std::memory_order_relaxed)].Add(hash); }

  // Starts a new window. Hashes that are added meanwhile may count in either, or neither. One
  // thread at a time.
  void Turn();

  // Estimates, on the thread that turns.
  double Current() const { return windows_[current_.load(std::memory_order_relaxed)].Estimate(); }
  double Previous() const;
  double Both() const;  // different hashes in the two together

 private:
  const int precision_;
  std::array<DistinctCounter, 2> windows_;
  std::atomic<size_t> current_{0};
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_DISTINCT_COUNTER_H_
