// What the program's exit code says.
#ifndef ENGRAM_CLIENT_CTL_EXIT_CODE_H_
#define ENGRAM_CLIENT_CTL_EXIT_CODE_H_

#include "absl/status/status.h"

namespace engram::ctl {

enum class ExitCode : int {
  kSuccess = 0,
  kFailed = 1,
  kUsage = 2,
  kUnreachable = 3,
  kWrongData = 4,
};

// UNAVAILABLE is kUnreachable, DATA_LOSS is kWrongData, every other error kFailed.
inline ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return ExitCode::kSuccess;
    case absl::StatusCode::kUnavailable:
      return ExitCode::kUnreachable;
    case absl::StatusCode::kDataLoss:
      return ExitCode::kWrongData;
    default:
      return ExitCode::kFailed;
  }
}

// The error of a file that the user named: DATA_LOSS and UNAVAILABLE are then no word on the daemon
// or its data, and become INVALID_ARGUMENT.
inline absl::Status AsInputError(const absl::Status& status) {
  const bool changes = absl::IsDataLoss(status) || absl::IsUnavailable(status);
  return changes ? absl::InvalidArgumentError(status.message()) : status;
}

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_EXIT_CODE_H_
