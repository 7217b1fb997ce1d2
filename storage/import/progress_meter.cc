#include "storage/import/progress_meter.h"

#include <cmath>

namespace engram::storage {
namespace {

constexpr absl::Duration kMinInterval = absl::Milliseconds(100);
constexpr double kAveragingSeconds = 5;

}  // namespace

void ProgressMeter::Update(uint64_t done, absl::Time now) {
  const absl::Duration elapsed = now - last_time_;
  if (elapsed < kMinInterval || done < done_) {
    return;
  }
  const double seconds = absl::ToDoubleSeconds(elapsed);
  const double rate = static_cast<double>(done - done_) / seconds;
  const double weight = rate_ == 0 ? 1 : 1 - std::exp(-seconds / kAveragingSeconds);
  rate_ += weight * (rate - rate_);
  done_ = done;
  last_time_ = now;
}

double ProgressMeter::seconds_left() const {
  return rate_ > 0 ? static_cast<double>(total_ - done_) / rate_ : 0;
}

}  // namespace engram::storage
