// The connections of one client to one daemon.
#ifndef ENGRAM_CLIENT_CHANNEL_SET_H_
#define ENGRAM_CLIENT_CHANNEL_SET_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/generic/generic_stub.h>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/engram_client.h"

namespace engram {

// Thread-safe. gRPC joins threads of its own when the last channel goes, so that the set must never
// be destroyed by one of them.
class ChannelSet {
 public:
  // Makes the channels; they connect by themselves, and again whenever they lost their connection.
  //   INVALID_ARGUMENT  an option is out of range
  static absl::StatusOr<std::shared_ptr<ChannelSet>> Create(const ClientOptions& options);

  // The stubs take turns.
  grpc::GenericStub& Next() {
    return *stubs_[turn_.fetch_add(1, std::memory_order_relaxed) % stubs_.size()];
  }

  grpc::GenericStub& stub(size_t i) { return *stubs_[i]; }

  const std::string& address() const { return options_.address; }
  size_t size() const { return stubs_.size(); }

  // Until when a daemon that let a probe time out counts as silent: see daemon_probe.h.
  absl::Time silent_until() const {
    return absl::FromUnixMicros(silent_until_.load(std::memory_order_relaxed));
  }
  void set_silent_until(absl::Time time) {
    silent_until_.store(absl::ToUnixMicros(time), std::memory_order_relaxed);
  }

  // How long to wait before the call that follows `failures` failed ones, at least 1: doubling,
  // with jitter.
  absl::Duration Backoff(int failures) const;

 private:
  explicit ChannelSet(const ClientOptions& options);

  const ClientOptions options_;
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs_;
  std::atomic<size_t> turn_{0};
  std::atomic<int64_t> silent_until_{0};
};

}  // namespace engram

#endif  // ENGRAM_CLIENT_CHANNEL_SET_H_
