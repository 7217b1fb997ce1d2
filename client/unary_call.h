// One unary rpc, made again while the daemon is away.
#ifndef ENGRAM_CLIENT_UNARY_CALL_H_
#define ENGRAM_CLIENT_UNARY_CALL_H_

#include <functional>
#include <memory>
#include <string>

#include <grpcpp/alarm.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/channel_set.h"
#include "client/fetch_call.h"

namespace engram {

// Thread-safe. No thread waits for the answer or between attempts: gRPC's call back. Whoever
// started it must Close it before letting go of it.
class UnaryCall final : public FetchCall, public std::enable_shared_from_this<UnaryCall> {
 public:
  // Reads an answer. Called at most once, by a thread of gRPC's; its status is the call's.
  using Receiver = std::function<absl::Status(grpc::ByteBuffer* answer)>;

  // Starts a call of `method`, "/package.Service/Method".
  //   deadline: of all attempts together; without one (InfiniteFuture) the daemon may be away for
  //             ten seconds
  // The call's status is that of the rpc or of `receive`, and also:
  //   UNAVAILABLE        the daemon stayed away; says for how long and what was seen last
  //   DEADLINE_EXCEEDED  the deadline passed; likewise if the daemon was away
  //   CANCELLED          Cancel was called
  //   INTERNAL           the rpc ended with a status that no rpc of the daemon has
  static std::shared_ptr<UnaryCall> Start(std::shared_ptr<ChannelSet> channels, std::string method,
                                          grpc::ByteBuffer request, absl::Time deadline,
                                          Receiver receive);

  // A call that is done, and was never made.
  static std::shared_ptr<UnaryCall> Refused(absl::Status status);

  absl::Status Wait() override;
  bool done() override;
  void Cancel() override;
  // Also waits until the channels are no longer used, and lets go of them.
  void Close() override;
  void SetPoke(std::function<void()> poke) override;
  void CheckDaemon(absl::Time waiting_since) override;

 private:
  struct Attempt;

  UnaryCall(std::shared_ptr<ChannelSet> channels, std::string method, grpc::ByteBuffer request,
            absl::Time deadline, Receiver receive);

  // Asks the daemon, after a long wait, whether it lives; if it does not say so, ends the call.
  void Probe(absl::Time waiting_since) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends the call, and leaves the attempt under way to gRPC, which may be at it for ever. Its
  // answer goes nowhere.
  void Abandon(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Idle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return done_ && starting_ == 0 && attempt_ == nullptr;
  }
  void Poke();
  void Try();
  void OnAttemptDone(const grpc::Status& grpc_status);
  // Sets the alarm for the next attempt; returns false if it is too late for one.
  bool RetryLater(const absl::Status& cause) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status DaemonAway() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Finish(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string method_;
  const absl::Time deadline_;
  const grpc::ByteBuffer request_;
  const Receiver receive_;

  mutable absl::Mutex mutex_;
  std::shared_ptr<ChannelSet> channels_ ABSL_GUARDED_BY(mutex_);  // until Close
  // The attempt under way; it shares its channel.
  std::shared_ptr<Attempt> attempt_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<grpc::Alarm> alarm_ ABSL_GUARDED_BY(mutex_);  // while waiting for the next one
  int starting_ ABSL_GUARDED_BY(mutex_) = 0;  // threads that hand an attempt to gRPC
  int failures_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time first_failure_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  absl::Status last_cause_ ABSL_GUARDED_BY(mutex_);
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool receiving_ ABSL_GUARDED_BY(mutex_) = false;  // a thread of gRPC's reads the answer
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> poke_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram

#endif  // ENGRAM_CLIENT_UNARY_CALL_H_
