// Stands between a client and its daemon, and lets through as much as the test says.
#ifndef ENGRAM_TESTS_CLIENT_RELAY_TESTING_H_
#define ENGRAM_TESTS_CLIENT_RELAY_TESTING_H_

#include <cstddef>
#include <limits>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace engram {

// Relays one connection, from Unix socket to Unix socket.
class Relay {
 public:
  static constexpr size_t kAll = std::numeric_limits<size_t>::max();

  explicit Relay(const std::string& daemon_address);
  // The client must be gone.
  ~Relay();

  const std::string& address() const { return address_; }

  // How many more bytes go from the daemon to the client: at first, all that come.
  void LetThrough(size_t bytes);
  // Waits until they are through.
  void AwaitUsedUp() const;

 private:
  void RelayToDaemon();
  void RelayToClient();

  const std::string daemon_address_;
  std::string address_;
  int listener_ = -1;
  int client_ = -1;
  int daemon_ = -1;
  mutable absl::Mutex mutex_;
  size_t left_ ABSL_GUARDED_BY(mutex_) = kAll;
  std::thread to_daemon_;
  std::thread to_client_;
};

}  // namespace engram

#endif  // ENGRAM_TESTS_CLIENT_RELAY_TESTING_H_
