// When groups come back, learned from those that do.
#ifndef ENGRAM_STORAGE_PLACEMENT_REUSE_MODEL_H_
#define ENGRAM_STORAGE_PLACEMENT_REUSE_MODEL_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "storage/placement/group_history.h"

namespace engram::storage {

// Divides histories into classes, by n-gram order, number of uses and last gap, and learns for each
// class how likely a group comes back in the next moment, given how long it has been gone: returns
// seen over time spent waiting (an occurrence/exposure rate). From these rates follows a group's
// rank, the best return on its slot: over all times T that one may go on waiting, the greatest
// ratio of the probability that it comes back within T to the time that it holds the slot until
// then (a Gittins index; the hit density of Beckmann, Chen and Cidon's LHD, NSDI 2018, fixes T at
// infinity). Where a class has seen little, the rates of all gaps together step in, and at first
// uses over age.
//
// RecordReturn may be called by any number of threads at once; all else by one at a time. Takes
// some 60 KiB an order.
class ReuseModel {
 public:
  // orders: of n-grams, at least 1
  explicit ReuseModel(uint32_t orders);

  // A group came back; it stands for `weight` returns.
  void RecordReturn(const GroupHistory& history, uint32_t now, uint32_t weight);

  // Groups with this history waited for so many group-ticks.
  void RecordWait(const GroupHistory& history, uint32_t now, float group_ticks);

  // Brings the ranks of some classes up to date, the next ones by turns, and lets their
  // observations fade to the share `keep`. Takes some ten microseconds; `turns` calls make a round.
  void Refresh(float keep);
  uint32_t turns() const { return orders_ * kUseSteps; }

  // What was seen, as numbers that Restore of a model of as many orders takes in place of what that
  // one saw. It returns false, and does nothing, with numbers that no such model gives.
  std::vector<float> Observations() const;
  bool Restore(absl::Span<const float> observations);

  // Returns to be expected a tick of holding the slot: what has more is worth more.
  float Rank(const GroupHistory& history, uint32_t now) const {
    return rank_[Cell(ClassOf(history), AgeStep(history.Age(now)))];
  }

 private:
  static constexpr uint32_t kUseSteps = 9;
  static constexpr uint32_t kGapSteps = 8;   // four octaves each
  static constexpr uint32_t kAgeSteps = 64;  // half an octave each
  using Rates = std::array<float, kAgeSteps>;

  static uint32_t AgeStep(uint32_t age);
  static uint32_t UseStep(uint8_t uses);
  static size_t Cell(uint32_t group_class, uint32_t age_step) {
    return size_t{group_class} * kAgeSteps + age_step;
  }
  uint32_t ClassOf(const GroupHistory& history) const;

  // Of the classes of one order and number of uses together.
  Rates WiderRates(uint32_t first_class, uint32_t use_step) const;
  void RankClass(uint32_t group_class, const Rates& wider);

  const uint32_t orders_;
  uint32_t next_turn_ = 0;
  // [classes x kAgeSteps]
  std::vector<std::atomic<uint32_t>> returns_;
  std::vector<float> waits_;  // group-ticks
  std::vector<float> rank_;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_REUSE_MODEL_H_
