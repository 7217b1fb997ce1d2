#include "storage/fetch/step_schedule.h"

#include <algorithm>
#include <utility>

namespace engram::storage {

void StepSchedule::Add(std::string name, absl::Duration period, Step step) {
  entries_.push_back({std::move(name), period, std::move(step), absl::InfinitePast()});
}

absl::Time StepSchedule::NextDue() const {
  absl::Time next = absl::InfiniteFuture();
  for (const Entry& entry : entries_) next = std::min(next, entry.due);
  return next;
}

StepSchedule::Step StepSchedule::Take(absl::Time now) {
  const auto next = std::min_element(entries_.begin(), entries_.end(),
                                     [](const Entry& a, const Entry& b) { return a.due < b.due; });
  if (next == entries_.end() || next->due > now) return nullptr;
  next->due = now + next->period;
  return next->step;
}

}  // namespace engram::storage
