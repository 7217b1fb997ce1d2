#include "client/channel_set.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <grpc/grpc.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "client/daemon_channel.h"

namespace engram {
namespace {

constexpr int kMaxConnections = 64;
constexpr size_t kMaxUnixPathBytes = 107;  // what sockaddr_un holds, less the final zero

absl::Status ValidateAddress(absl::string_view address) {
  absl::string_view path = address;
  if (absl::ConsumePrefix(&path, "unix:")) {
    if (path.empty() || path.size() > kMaxUnixPathBytes) {
      return absl::InvalidArgumentError(absl::StrCat("the socket path of address \"", address,
                                                     "\" must have 1 to ", kMaxUnixPathBytes,
                                                     " bytes"));
    }
    return absl::OkStatus();
  }
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  if (colon == absl::string_view::npos || colon == 0 ||
      !absl::SimpleAtoi(address.substr(colon + 1), &port) || port == 0 || port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat(
        "address \"", address, "\" is neither unix:PATH nor HOST:PORT with a port of 1 to 65535"));
  }
  return absl::OkStatus();
}

absl::Status ValidateOptions(const ClientOptions& options) {
  if (options.connect_timeout <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(absl::StrCat("connect_timeout must be positive, and is ",
                                                   absl::FormatDuration(options.connect_timeout)));
  }
  if (options.min_backoff <= absl::ZeroDuration() || options.max_backoff < options.min_backoff ||
      options.max_backoff > absl::Hours(1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("0 < min_backoff <= max_backoff <= 1h must hold; min_backoff is ",
                     absl::FormatDuration(options.min_backoff), " and max_backoff ",
                     absl::FormatDuration(options.max_backoff)));
  }
  if (options.connections < 1 || options.connections > kMaxConnections) {
    return absl::InvalidArgumentError(absl::StrCat("connections must be 1 to ", kMaxConnections,
                                                   ", and is ", options.connections));
  }
  return ValidateAddress(options.address);
}

grpc::ChannelArguments ToArguments(const ClientOptions& options) {
  const auto to_millis = [](absl::Duration duration) {
    return static_cast<int>(std::max<int64_t>(1, absl::ToInt64Milliseconds(duration)));
  };
  grpc::ChannelArguments args = DaemonChannelArguments();
  args.SetMaxReceiveMessageSize(-1);
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, to_millis(options.min_backoff));
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, to_millis(options.max_backoff));
  // UnaryCall retries; gRPC's own layer would only buffer requests.
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  return args;
}

// When the last user of gRPC in a process is gone it shuts down, and may wait ten seconds for a
// poller of its own to time out. This use never ends.
void KeepGrpcRunning() {
  [[maybe_unused]] static const bool once = [] {
    grpc_init();
    return true;
  }();
}

}  // namespace

absl::StatusOr<std::shared_ptr<ChannelSet>> ChannelSet::Create(const ClientOptions& options) {
  if (absl::Status status = ValidateOptions(options); !status.ok()) {
    return status;
  }
  KeepGrpcRunning();
  return std::shared_ptr<ChannelSet>(new ChannelSet(options));
}

ChannelSet::ChannelSet(const ClientOptions& options) : options_(options) {
  const grpc::ChannelArguments args = ToArguments(options);
  for (int i = 0; i < options.connections; ++i) {
    auto channel =
        grpc::CreateCustomChannel(options.address, grpc::InsecureChannelCredentials(), args);
    channel->GetState(/*try_to_connect=*/true);
    stubs_.push_back(std::make_unique<grpc::GenericStub>(std::move(channel)));
  }
}

absl::Duration ChannelSet::Backoff(int failures) const {
  const absl::Duration full =
      std::min(options_.max_backoff, options_.min_backoff * std::exp2(std::min(failures, 30) - 1));
  absl::BitGen random;
  return full * absl::Uniform(random, 0.8, 1.0);
}

}  // namespace engram
