#include "storage/placement/distinct_counter.h"

#include <cassert>
#include <cmath>
#include <limits>
#include <numbers>

namespace engram::storage {
namespace {

// Sigma and tau are Ertl's: what registers that are empty, or full, contribute. `x` is a share.
double Sigma(double x) {
  if (x == 1) return std::numeric_limits<double>::infinity();
  double sum = x;
  double before = 0;
  for (double y = 1; sum != before; y += y) {
    x *= x;
    before = sum;
    sum += x * y;
  }
  return sum;
}

double Tau(double x) {
  if (x == 0 || x == 1) return 0;
  double sum = 1 - x;
  double before = 0;
  for (double y = 0.5; sum != before; y *= 0.5) {
    x = std::sqrt(x);
    before = sum;
    sum -= (1 - x) * (1 - x) * y;
  }
  return sum / 3;
}

}  // namespace

DistinctCounter::DistinctCounter(int precision)
    : precision_(precision), registers_(size_t{1} << precision) {
  assert(precision >= kMinPrecision && precision <= kMaxPrecision);
}

double DistinctCounter::Estimate() const {
  std::array<uint32_t, 66> registers_of_rank{};
  for (const auto& highest : registers_) {
    ++registers_of_rank[highest.load(std::memory_order_relaxed)];
  }
  const auto m = static_cast<double>(registers_.size());
  const int q = 64 - precision_;  // ranks go from 1 to q + 1
  const auto share = [&](int rank) { return registers_of_rank[static_cast<size_t>(rank)] / m; };
  double z = Tau(1 - share(q + 1));
  for (int rank = q; rank >= 1; --rank) z = 0.5 * (z + share(rank));
  z += Sigma(share(0));
  return m / (2 * std::numbers::ln2 * z);
}

double DistinctCounter::relative_standard_error() const {
  return 1.04 / std::sqrt(static_cast<double>(registers_.size()));
}

void DistinctCounter::Merge(const DistinctCounter& other) {
  assert(precision_ == other.precision_);
  for (size_t i = 0; i < registers_.size(); ++i) {
    const uint8_t rank = other.registers_[i].load(std::memory_order_relaxed);
    uint8_t seen = registers_[i].load(std::memory_order_relaxed);
    while (rank > seen &&
           !registers_[i].compare_exchange_weak(seen, rank, std::memory_order_relaxed)) {
    }
  }
}

void DistinctCounter::Clear() {
  for (auto& highest : registers_) highest.store(0, std::memory_order_relaxed);
}

DistinctWindows::DistinctWindows(int precision)
    : precision_(precision), windows_{DistinctCounter(precision), DistinctCounter(precision)} {}

void DistinctWindows::Turn() {
  const size_t next = 1 - current_.load(std::memory_order_relaxed);
  windows_[next].Clear();
  current_.store(next, std::memory_order_relaxed);
}

double DistinctWindows::Previous() const {
  return windows_[1 - current_.load(std::memory_order_relaxed)].Estimate();
}

double DistinctWindows::Both() const {
  DistinctCounter both(precision_);
  for (const DistinctCounter& window : windows_) both.Merge(window);
  return both.Estimate();
}

}  // namespace engram::storage
