#include "client/daemon_status.h"

#include "absl/strings/str_cat.h"

namespace engram {

absl::Status FromDaemon(int code, absl::string_view message, absl::string_view method) {
  const auto status_code = static_cast<absl::StatusCode>(code);
  switch (status_code) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kInternal:
      return {status_code, message};
    case absl::StatusCode::kCancelled:
      return absl::UnavailableError(absl::StrCat("cut off by the daemon: ", message));
    default:
      return absl::InternalError(absl::StrCat("unexpected answer to ", method, ": ",
                                              absl::StatusCodeToString(status_code), ": ",
                                              message));
  }
}

}  // namespace engram
