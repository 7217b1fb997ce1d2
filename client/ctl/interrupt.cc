#include "client/ctl/interrupt.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <utility>

namespace engram::ctl {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM};
// What an eventfd's count is raised by, so that both can be told apart however they add up.
constexpr uint64_t kSignalled = 1;
constexpr uint64_t kStop = uint64_t{1} << 32;

std::atomic<int> signal_events{-1};
struct sigaction former_actions[std::size(kSignals)];

void Raise(int events, uint64_t by) {
  // An eventfd takes eight bytes or nothing, and this count is far from full.
  [[maybe_unused]] const ssize_t written = write(events, &by, sizeof(by));
}

void HandleSignal(int /*signal*/) {
  const int saved_errno = errno;
  Raise(signal_events.load(), kSignalled);
  errno = saved_errno;
}

}  // namespace

Interrupt::Interrupt(std::function<void()> on_request) : events_(eventfd(0, EFD_CLOEXEC)) {
  thread_ = std::thread([this, on_request = std::move(on_request)] {
    for (uint64_t count = 0; count < kStop;) {
      if (read(events_, &count, sizeof(count)) < 0) {
        if (errno == EINTR) continue;
        return;
      }
      if (count % kStop != 0 && !requested()) {
        requested_.Notify();
        on_request();
      }
    }
  });
  signal_events.store(events_);
  struct sigaction action = {};
  action.sa_handler = HandleSignal;
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    sigaction(kSignals[i], &action, &former_actions[i]);
  }
}

Interrupt::~Interrupt() {
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    sigaction(kSignals[i], &former_actions[i], nullptr);
  }
  Raise(events_, kStop);
  thread_.join();
  close(events_);
}

}  // namespace engram::ctl
