#include "client/ctl/connection.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace engram::ctl {
namespace {

constexpr std::chrono::seconds kCallTimeout(60);
// The daemon takes pings every five seconds.
constexpr int kKeepaliveMillis = 10'000;
// What the daemon itself says with UNAVAILABLE; all other such messages are gRPC's, of connections.
constexpr absl::string_view kStopping = "the daemon is stopping";

std::shared_ptr<grpc::Channel> CreateChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  // The daemon is on this host: no proxy, and no memory of another connection's failures.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // A daemon that is stopped in its tracks, connection open, is as good as gone.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMillis);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveMillis);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // no limit
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

// "failed to connect to all addresses; last error: UNKNOWN: Connection refused" -> the last part.
absl::string_view LastPart(absl::string_view message) {
  const size_t colon = message.rfind(": ");
  return colon == absl::string_view::npos ? message : message.substr(colon + 2);
}

}  // namespace

Connection::Connection(std::string address)
    : address_(std::move(address)),
      channel_(CreateChannel(address_)),
      stub_(v1::EngramAdmin::NewStub(channel_)) {}

absl::Status Connection::ToStatus(const grpc::Status& status) const {
  if (status.ok()) return absl::OkStatus();
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE && status.error_message() != kStopping) {
    return absl::UnavailableError(
        absl::StrCat("no daemon answers at ", address_, ": ", LastPart(status.error_message())));
  }
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

void Connection::SetDeadline(grpc::ClientContext* context) {
  context->set_deadline(std::chrono::system_clock::now() + kCallTimeout);
}

}  // namespace engram::ctl
