// absl::Status on the wire: the codes of both are the same numbers.
#ifndef ENGRAM_SERVER_STATUS_CONVERSION_H_
#define ENGRAM_SERVER_STATUS_CONVERSION_H_

#include <string>

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace engram::server {

inline grpc::Status ToGrpcStatus(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

}  // namespace engram::server

#endif  // ENGRAM_SERVER_STATUS_CONVERSION_H_
