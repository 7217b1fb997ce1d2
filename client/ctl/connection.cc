#include "client/ctl/connection.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "client/daemon_channel.h"
#include "proto/refusals.h"

namespace engram::ctl {
namespace {

constexpr std::chrono::seconds kCallTimeout(60);

std::shared_ptr<grpc::Channel> CreateChannel(const std::string& address) {
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(),
                                   DaemonChannelArguments());
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
  // All messages of UNAVAILABLE but the daemon's own are gRPC's, of connections.
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE &&
      status.error_message() != wire::kStopping) {
    return absl::UnavailableError(
        absl::StrCat("no daemon answers at ", address_, ": ", LastPart(status.error_message())));
  }
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

void Connection::SetDeadline(grpc::ClientContext* context) {
  context->set_deadline(std::chrono::system_clock::now() + kCallTimeout);
}

}  // namespace engram::ctl
