// On what terms something is read: until when, and how fast.
#ifndef ENGRAM_STORAGE_COLD_READ_TERMS_H_
#define ENGRAM_STORAGE_COLD_READ_TERMS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace engram::storage {

// Not 0: whoever asked for it no longer wants what is being read.
using CancelFlag = std::atomic<uint32_t>;

// Says how many reads a thread may have in flight just now. Thread-safe.
class ReadPace {
 public:
  static constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();

  virtual ~ReadPace() = default;

  // At least 1.
  virtual size_t MaxInFlight() const = 0;
};

// A deadline, and perhaps more. A plain deadline will do where these are asked for.
class ReadTerms {
 public:
  // cancelled: null if nobody can cancel;  pace: null for no limit; both must outlive the read
  // spin_until: when to begin to sleep while the device reads
  ReadTerms(absl::Time deadline,  // NOLINT(google-explicit-constructor)
            const CancelFlag* cancelled = nullptr, const ReadPace* pace = nullptr,
            absl::Time spin_until = absl::InfinitePast())
      : deadline_(deadline), cancelled_(cancelled), pace_(pace), spin_until_(spin_until) {}

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

  absl::Time deadline() const { return deadline_; }
  absl::Time spin_until() const { return spin_until_; }

  size_t MaxInFlight() const {
    return pace_ == nullptr ? ReadPace::kNoLimit : pace_->MaxInFlight();
  }

 private:
  absl::Time deadline_;
  const CancelFlag* cancelled_;
  const ReadPace* pace_;
  absl::Time spin_until_;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_COLD_READ_TERMS_H_
