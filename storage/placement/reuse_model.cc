#include "storage/placement/reuse_model.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace engram::storage {
namespace {

// Returns that a class must have seen for its own rates to weigh as much as the wider ones.
constexpr float kPriorReturns = 20;
// Likewise of the wider rates against the first guess.
constexpr float kGuessedReturns = 5;

// What is seen fades, and never comes near.
constexpr float kMaxReturns = 4e9F;
constexpr float kMaxWaits = 1e30F;

// Before anything is known: a group with n uses comes back at a rate of about n / (3 age).
float GuessedRate(uint32_t use_step, float age) {
  return static_cast<float>(use_step + 1) / (3 * age);
}

// Steps of half an octave: 0, 1, 2, 3, 4, 6, 8, 12, ...
float StepStart(uint32_t step) {
  if (step < 2) return static_cast<float>(step);
  return std::ldexp(step % 2 == 0 ? 1.0F : 1.5F, static_cast<int>(step / 2));
}

}  // namespace

ReuseModel::ReuseModel(uint32_t orders)
    : orders_(orders),
      returns_(size_t{orders} * kUseSteps * kGapSteps * kAgeSteps),
      waits_(returns_.size()),
      rank_(returns_.size()) {
  for (uint32_t turn = 0; turn < turns(); ++turn) Refresh(1);
}

uint32_t ReuseModel::AgeStep(uint32_t age) {
  if (age < 2) return age;
  const auto octave = static_cast<uint32_t>(std::bit_width(age)) - 1;
  return 2 * octave + ((age >> (octave - 1)) & 1);
}

uint32_t ReuseModel::UseStep(uint8_t uses) {
  static constexpr auto kStepOf = [] {
    constexpr std::array<uint8_t, kUseSteps> kFrom = {0, 2, 3, 4, 5, 7, 11, 21, 51};
    std::array<uint8_t, 256> steps{};
    for (size_t count = 0; count < steps.size(); ++count) {
      const auto above = std::upper_bound(kFrom.begin(), kFrom.end(), count);
      steps[count] = static_cast<uint8_t>(above - kFrom.begin() - 1);
    }
    return steps;
  }();
  return kStepOf[uses];
}

uint32_t ReuseModel::ClassOf(const GroupHistory& history) const {
  const uint32_t order = std::min<uint32_t>(history.order, orders_ - 1);
  const uint32_t gap_step = std::min<uint32_t>(history.gap / 4, kGapSteps - 1);
  return (order * kUseSteps + UseStep(history.uses)) * kGapSteps + gap_step;
}

void ReuseModel::RecordReturn(const GroupHistory& history, uint32_t now, uint32_t weight) {
  returns_[Cell(ClassOf(history), AgeStep(history.Age(now)))].fetch_add(weight,
                                                                        std::memory_order_relaxed);
}

void ReuseModel::RecordWait(const GroupHistory& history, uint32_t now, float group_ticks) {
  waits_[Cell(ClassOf(history), AgeStep(history.Age(now)))] += group_ticks;
}

void ReuseModel::Refresh(float keep) {
  const uint32_t first = next_turn_ * kGapSteps;
  const Rates wider = WiderRates(first, next_turn_ % kUseSteps);
  for (uint32_t group_class = first; group_class < first + kGapSteps; ++group_class) {
    RankClass(group_class, wider);
    for (size_t cell = Cell(group_class, 0); cell < Cell(group_class + 1, 0); ++cell) {
      const uint32_t returns = returns_[cell].load(std::memory_order_relaxed);
      const auto faded = returns - static_cast<uint32_t>(static_cast<float>(returns) * keep);
      returns_[cell].fetch_sub(faded, std::memory_order_relaxed);
      waits_[cell] *= keep;
    }
  }
  next_turn_ = (next_turn_ + 1) % turns();
}

std::vector<float> ReuseModel::Observations() const {
  std::vector<float> observations;
  observations.reserve(returns_.size() + waits_.size());
  for (const std::atomic<uint32_t>& returns : returns_) {
    observations.push_back(static_cast<float>(returns.load(std::memory_order_relaxed)));
  }
  observations.insert(observations.end(), waits_.begin(), waits_.end());
  return observations;
}

bool ReuseModel::Restore(absl::Span<const float> observations) {
  const size_t cells = returns_.size();
  if (observations.size() != 2 * cells) return false;
  const auto within = [](absl::Span<const float> numbers, float most) {
    return std::all_of(numbers.begin(), numbers.end(),
                       [most](float number) { return number >= 0 && number <= most; });
  };
  if (!within(observations.first(cells), kMaxReturns)) return false;
  if (!within(observations.subspan(cells), kMaxWaits)) return false;
  for (size_t cell = 0; cell < cells; ++cell) {
    returns_[cell].store(static_cast<uint32_t>(observations[cell]), std::memory_order_relaxed);
  }
  std::copy(observations.begin() + static_cast<ptrdiff_t>(cells), observations.end(),
            waits_.begin());
  for (uint32_t turn = 0; turn < turns(); ++turn) Refresh(1);
  return true;
}

ReuseModel::Rates ReuseModel::WiderRates(uint32_t first_class, uint32_t use_step) const {
  Rates rates;
  for (uint32_t step = 0; step < kAgeSteps; ++step) {
    float returns = 0;
    float waits = 0;
    for (uint32_t group_class = first_class; group_class < first_class + kGapSteps; ++group_class) {
      const size_t cell = Cell(group_class, step);
      returns += static_cast<float>(returns_[cell].load(std::memory_order_relaxed));
      waits += waits_[cell];
    }
    const float guess = GuessedRate(use_step, StepStart(step + 1));
    rates[step] = (returns + kGuessedReturns) / (waits + kGuessedReturns / guess);
  }
  return rates;
}

void ReuseModel::RankClass(uint32_t group_class, const Rates& wider) {
  Rates returning;  // the probability to come back in a step, given that it is reached
  Rates held;       // the ticks to expect in a step, likewise
  for (uint32_t step = 0; step < kAgeSteps; ++step) {
    const size_t cell = Cell(group_class, step);
    const auto returns = static_cast<float>(returns_[cell].load(std::memory_order_relaxed));
    const float rate = (returns + kPriorReturns) / (waits_[cell] + kPriorReturns / wider[step]);
    returning[step] = -std::expm1(-rate * (StepStart(step + 1) - StepStart(step)));
    held[step] = returning[step] / rate;
  }
  for (uint32_t from = 0; from < kAgeSteps; ++from) {
    float reached = 1;
    float all_returning = 0;
    float all_held = 0;
    float best = 0;
    for (uint32_t step = from; step < kAgeSteps; ++step) {
      all_returning += reached * returning[step];
      all_held += reached * held[step];
      reached *= 1 - returning[step];
      best = std::max(best, all_returning / all_held);
    }
    rank_[Cell(group_class, from)] = best;
  }
}

}  // namespace engram::storage
