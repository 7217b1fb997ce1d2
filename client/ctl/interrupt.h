// Ctrl-C, for commands that have something to tidy up or to say before they end.
#ifndef ENGRAM_CLIENT_CTL_INTERRUPT_H_
#define ENGRAM_CLIENT_CTL_INTERRUPT_H_

#include <functional>
#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

namespace engram::ctl {

// While it lives, the first SIGINT or SIGTERM is a request, and the second ends the process as
// usual. One at a time in a process. Its functions are safe for concurrent use.
class Interrupt {
 public:
  // on_request is called by a thread of this object's, at most once.
  explicit Interrupt(std::function<void()> on_request = [] {});
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  // Puts the signals' former handlers back.
  ~Interrupt();

  bool requested() const { return requested_.HasBeenNotified(); }

  // Waits for a request. Returns false if none came in this time.
  bool WaitFor(absl::Duration time) const {
    return requested_.WaitForNotificationWithTimeout(time);
  }

 private:
  absl::Notification requested_;
  int events_;  // an eventfd: what the signal handler may write to
  std::thread thread_;
};

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_INTERRUPT_H_
