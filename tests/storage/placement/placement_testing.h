// Streams of group hashes with known properties, the same in every run.
#ifndef ENGRAM_TESTS_STORAGE_PLACEMENT_PLACEMENT_TESTING_H_
#define ENGRAM_TESTS_STORAGE_PLACEMENT_PLACEMENT_TESTING_H_

#include <cstdint>
#include <vector>

namespace engram::storage {

// A hash for a group number; different ones for different seeds.
uint64_t HashOf(uint64_t group, uint64_t seed = 0);

// SplitMix64.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next();
  double NextShare();  // [0, 1)
  bool OneIn(uint32_t n) { return Below(n) == 0; }
  uint32_t Below(uint32_t end) { return static_cast<uint32_t>(((Next() >> 32) * end) >> 32); }

 private:
  uint64_t state_;
};

// Draws group numbers 0 .. groups - 1 with probability ~ (number + 1)^-exponent, by Walker's alias
// method.
class Zipf {
 public:
  Zipf(double exponent, uint32_t groups);
  uint32_t Next(Random& random) const;
  double ShareOf(uint32_t group) const { return shares_[group]; }
  uint32_t groups() const { return static_cast<uint32_t>(shares_.size()); }

 private:
  struct Column {
    uint32_t below;  // a draw below it is the column's own number
    uint32_t alias;
  };
  std::vector<double> shares_;
  std::vector<Column> columns_;
};

}  // namespace engram::storage

#endif  // ENGRAM_TESTS_STORAGE_PLACEMENT_PLACEMENT_TESTING_H_
