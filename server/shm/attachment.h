// One client that shares memory with the daemon.
#ifndef ENGRAM_SERVER_SHM_ATTACHMENT_H_
#define ENGRAM_SERVER_SHM_ATTACHMENT_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "proto/ring.h"
#include "proto/shared_memory.h"
#include "server/fetch_handler.h"
#include "server/shm/region.h"
#include "storage/tiered_store.h"

namespace engram::server {

// Serves one client's fetches: see proto/shared_memory.h. What the client does, or fails to do,
// costs others nothing: its thread is its own, and nothing ever waits for it.
class Attachment {
 public:
  // `connection`, which stays the caller's, and `handler` must outlive it.
  Attachment(int connection, Region region, FetchHandler* handler)
      : connection_(connection), region_(std::move(region)), handler_(handler) {}

  // Serves until the client is gone, has broken the rules (INVALID_ARGUMENT), or Stop was called
  // (OK, as for a client that is gone), and its fetches have ended. Called once, by the
  // attachment's own thread, which copies from RAM, and reads the few rows that a client's only
  // fetch needs at once; all else is left to I/O threads.
  absl::Status Serve();

  // Makes Serve return. Any thread, any number of times.
  void Stop();

 private:
  // A call under way; the daemon's own copy of what the client wrote.
  struct Fetch {
    std::atomic<bool> busy{false};
    std::vector<storage::RowId> ids;
    InFlightLimit::Grant grant;
  };

  // Takes what was submitted since push number `*taken`.
  absl::Status TakeSubmitted(uint32_t* taken);
  absl::Status Start(uint32_t slot);
  // Waits for a push beyond number `taken`. Returns false if there will be none.
  bool AwaitSubmission(uint32_t taken);
  void Complete(uint32_t slot, const absl::Status& status);
  // Whoever waited for the fetches is gone.
  void CancelAll();
  void AwaitIdle();

  const int connection_;
  const Region region_;
  FetchHandler* const handler_;
  std::array<Fetch, shm::kMaxSlots> fetches_;  // by slot
  std::atomic<bool> stopping_{false};
  std::thread::id thread_;     // that serves
  shm::SpinHabit spin_habit_;  // its

  absl::Mutex mutex_;
  uint32_t completed_ ABSL_GUARDED_BY(mutex_) = 0;  // pushes
  uint32_t in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace engram::server

#endif  // ENGRAM_SERVER_SHM_ATTACHMENT_H_
