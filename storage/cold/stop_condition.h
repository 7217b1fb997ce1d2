// When a read is to be given up.
#ifndef ENGRAM_STORAGE_COLD_STOP_CONDITION_H_
#define ENGRAM_STORAGE_COLD_STOP_CONDITION_H_

#include <atomic>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace engram::storage {

// Not 0: whoever asked for it no longer wants what is being read.
using CancelFlag = std::atomic<uint32_t>;

// A deadline, and perhaps a flag. A plain deadline will do where one of these is asked for.
class StopCondition {
 public:
  // cancelled: null if nobody can cancel; must outlive the read
  StopCondition(absl::Time deadline,  // NOLINT(google-explicit-constructor)
                const CancelFlag* cancelled = nullptr)
      : deadline_(deadline), cancelled_(cancelled) {}

  // OK while the read is to go on.
  //   CANCELLED          the flag is not 0
  //   DEADLINE_EXCEEDED  the deadline passed
  absl::Status Check() const {
    if (cancelled_ != nullptr && cancelled_->load(std::memory_order_relaxed) != 0) {
      return absl::CancelledError("the fetch was cancelled before all was read");
    }
    if (deadline_ == absl::InfiniteFuture()) return absl::OkStatus();
    const absl::Duration late = absl::Now() - deadline_;
    if (late < absl::ZeroDuration()) return absl::OkStatus();
    return absl::DeadlineExceededError(
        absl::StrCat("the deadline passed ", absl::FormatDuration(late), " before all was read"));
  }

 private:
  absl::Time deadline_;
  const CancelFlag* cancelled_;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_COLD_STOP_CONDITION_H_
