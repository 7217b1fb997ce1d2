#include "client/daemon_probe.h"

#include <set>
#include <utility>

#include <grpcpp/client_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>
#include <grpcpp/support/status.h>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"

namespace engram {
namespace {

constexpr absl::Duration kProbeTimeout = absl::Seconds(10);

// A call that asks for a table without a name, left to gRPC if it does not end.
struct Probe {
  grpc::ClientContext context;
  grpc::ByteBuffer request;
  grpc::ByteBuffer answer;
  grpc::StatusCode code = grpc::StatusCode::DEADLINE_EXCEEDED;
  absl::Notification done;
};

}  // namespace

void KeepForEver(std::shared_ptr<const void> object) {
  static absl::Mutex mutex;
  static auto* const kept = new std::set<std::shared_ptr<const void>>;
  absl::MutexLock lock(&mutex);
  kept->insert(std::move(object));
}

bool DaemonAnswers(std::shared_ptr<ChannelSet> channels, grpc::GenericStub* stub) {
  if (absl::Now() < channels->silent_until()) {
    return false;
  }
  KeepForEver(channels);
  const auto probe = std::make_shared<Probe>();
  probe->context.set_deadline(absl::ToChronoTime(absl::Now() + kProbeTimeout));
  const grpc::Slice no_name;
  probe->request = grpc::ByteBuffer(&no_name, 1);
  stub->UnaryCall(&probe->context, kOpenTable, grpc::StubOptions(), &probe->request, &probe->answer,
                  [probe](const grpc::Status& status) {
                    probe->code = status.error_code();
                    probe->done.Notify();
                  });
  if (!probe->done.WaitForNotificationWithTimeout(kProbeTimeout + kGrace) ||
      probe->code == grpc::StatusCode::DEADLINE_EXCEEDED) {
    channels->set_silent_until(absl::Now() + kGrace);
    return false;
  }
  return probe->code != grpc::StatusCode::UNAVAILABLE;
}

}  // namespace engram
