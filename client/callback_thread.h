// The thread that calls back.
#ifndef ENGRAM_CLIENT_CALLBACK_THREAD_H_
#define ENGRAM_CLIENT_CALLBACK_THREAD_H_

#include <functional>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace engram {

class CallbackCall;  // callback_call.h

// Attends to the fetches of one client that have callbacks, each of which shares it. The thread
// starts with the first. Thread-safe; may be destroyed by its own thread, too.
class CallbackThread {
 public:
  CallbackThread();
  ~CallbackThread();

  // Attends to a call until it is over.
  void Add(std::shared_ptr<CallbackCall> call);

  // Has the thread look at all calls. May be called when there is no thread any more.
  std::function<void()> poke() const;

  // Whether it is the one that asks.
  bool IsThisThread() const;

 private:
  class Inbox;
  static void Run(const std::shared_ptr<Inbox>& inbox);

  const std::shared_ptr<Inbox> inbox_;
  absl::Mutex mutex_;
  std::thread thread_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram

#endif  // ENGRAM_CLIENT_CALLBACK_THREAD_H_
