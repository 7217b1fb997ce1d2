// A fetch whose end somebody wants to be told of.
#ifndef ENGRAM_CLIENT_CALLBACK_CALL_H_
#define ENGRAM_CLIENT_CALLBACK_CALL_H_

#include <functional>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/callback_thread.h"
#include "client/engram_client.h"
#include "client/fetch_call.h"

namespace engram {

// Has a callback thread do all that whoever waits for a fetch would do, and what its ticket asks
// for; the ticket's threads only look at what came of it. What is called by a callback, on that
// thread, is done there at once, so that it waits for nothing but the fetch.
class CallbackCall final : public FetchCall {
 public:
  // call: just started
  // options: of the fetch; its on_done is called once, whatever happens, before Close returns
  static std::shared_ptr<CallbackCall> Start(std::shared_ptr<CallbackThread> thread,
                                             std::shared_ptr<FetchCall> call,
                                             const FetchOptions& options);

  absl::Status Wait() override;
  bool done() override;
  void Cancel() override;
  void Close() override;

  // Of these it has no need.
  void SetPoke(std::function<void()> /*poke*/) override {}
  void CheckDaemon(absl::Time /*waiting_since*/) override {}

  // For the callback thread: goes on with the fetch. Returns whether that is over, callback and
  // all.
  bool Advance(absl::Time now);
  // When to call Advance again, at the latest, if nothing pokes before.
  absl::Time NextLook(absl::Time now) const;
  std::shared_ptr<SharedLink> link() override { return call_->link(); }

 private:
  CallbackCall(std::shared_ptr<CallbackThread> thread, std::shared_ptr<FetchCall> call,
               const FetchOptions& options);

  bool Ended() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return status_.has_value(); }
  // Waits for the fetch and calls back, unless that was done.
  void Finish();

  const std::shared_ptr<CallbackThread> thread_;
  const absl::Time deadline_;
  const absl::Time start_;

  // The callback thread's, until the callback has returned.
  const std::shared_ptr<FetchCall> call_;
  std::function<void(const absl::Status&)> on_done_;
  absl::Time next_check_;  // of the daemon

  mutable absl::Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> status_ ABSL_GUARDED_BY(mutex_);  // once ended
  bool called_ ABSL_GUARDED_BY(mutex_) = false;                 // and returned
};

}  // namespace engram

#endif  // ENGRAM_CLIENT_CALLBACK_CALL_H_
