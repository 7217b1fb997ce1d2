// absl::Status of the daemon, and on the wire: the codes of both are the same numbers.
#ifndef ENGRAM_SERVER_STATUS_CONVERSION_H_
#define ENGRAM_SERVER_STATUS_CONVERSION_H_

#include <cstddef>
#include <string>
#include <utility>

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "proto/refusals.h"

namespace engram::server {

inline absl::Status StoppingError() { return absl::UnavailableError(wire::kStopping); }

// Messages quote what callers sent; a transport takes only so much of it, and only text.
inline grpc::Status ToGrpcStatus(const absl::Status& status) {
  constexpr size_t kMaxMessageBytes = 2000;
  std::string message(status.message());
  if (message.size() > kMaxMessageBytes) {
    message = absl::StrCat(message.substr(0, kMaxMessageBytes), "...");
  }
  return {static_cast<grpc::StatusCode>(status.code()), std::move(message)};
}

}  // namespace engram::server

#endif  // ENGRAM_SERVER_STATUS_CONVERSION_H_
