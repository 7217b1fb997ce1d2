// How fast a long copy goes, and when it will be done.
#ifndef ENGRAM_STORAGE_IMPORT_PROGRESS_METER_H_
#define ENGRAM_STORAGE_IMPORT_PROGRESS_METER_H_

#include <cstdint>

#include "absl/time/time.h"

namespace engram::storage {

// The rate over the last few seconds, as an exponential average, because disks change pace.
// Not thread-safe; the caller tells the time.
class ProgressMeter {
 public:
  ProgressMeter(uint64_t total_bytes, absl::Time start) : total_(total_bytes), last_time_(start) {}

  // `done` bytes are copied at `now`. Calls less than 100 ms apart count as one.
  void Update(uint64_t done, absl::Time now);

  double bytes_per_second() const { return rate_; }

  // 0 until there is a rate.
  double seconds_left() const;

 private:
  const uint64_t total_;
  uint64_t done_ = 0;  // as of last_time_
  absl::Time last_time_;
  double rate_ = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_IMPORT_PROGRESS_METER_H_
