// Which of some repeated steps is due.
#ifndef ENGRAM_STORAGE_FETCH_STEP_SCHEDULE_H_
#define ENGRAM_STORAGE_FETCH_STEP_SCHEDULE_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace engram::storage {

// Knows no clock and has no thread, so that tests can be both. Not thread-safe.
class StepSchedule {
 public:
  using Step = std::function<void(absl::Time now)>;

  // The step is due at once, and then a period after each call of it. Periods are above 0.
  void Add(std::string name, absl::Duration period, Step step);

  // When the next step is due: InfiniteFuture() if there is none.
  absl::Time NextDue() const;

  // The step that has been due for longest, to be called by the caller; it is due again after its
  // period. Null if none is due yet. Steps that missed several periods are called once.
  Step Take(absl::Time now);

 private:
  struct Entry {
    std::string name;
    absl::Duration period;
    Step step;
    absl::Time due;
  };

  std::vector<Entry> entries_;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_FETCH_STEP_SCHEDULE_H_
