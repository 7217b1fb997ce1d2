// One attachment of a client's memory to the daemon.
#ifndef ENGRAM_CLIENT_SHM_SHARED_LINK_H_
#define ENGRAM_CLIENT_SHM_SHARED_LINK_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/shm/shared_heap.h"
#include "proto/ring.h"
#include "proto/shared_memory.h"

namespace engram {

// Submits fetches and takes their completions: see proto/shared_memory.h. Thread-safe. It has no
// thread of its own: of those that wait, one watches for completions on behalf of all.
//
// A link is lost when the daemon hangs up, which it does when it writes no more, or when it does
// not wake for ten seconds: then it may still write to what it was asked to, whenever it goes on.
class SharedLink {
 public:
  // Asks the daemon at a Unix socket to attach `heap`, which no other link uses. Does not wait for
  // its answer.
  //   patience: a fetch that takes as long is slow; a daemon that then does not wake for as long
  //             again hangs
  //   UNAVAILABLE  nobody listens there
  static absl::StatusOr<std::unique_ptr<SharedLink>> Request(
      const std::string& path, std::shared_ptr<SharedHeap> heap,
      absl::Duration patience = absl::Seconds(5));
  ~SharedLink();

  // Waits until `deadline` for the daemon's answer. To be called until it is not DEADLINE_EXCEEDED,
  // by one thread, before anything else.
  //   DEADLINE_EXCEEDED    no answer yet
  //   UNAVAILABLE          the daemon hung up: it shares no memory
  //   as the daemon says   it refused
  absl::Status Finish(absl::Time deadline);

  const std::shared_ptr<SharedHeap>& heap() const { return heap_; }

  // Submits a call, and returns the slot it has; nothing if none is free or the link is lost.
  std::optional<uint32_t> Submit(const shm::Call& call);

  // Tells the daemon that the fetch of a slot is no longer wanted.
  void Cancel(uint32_t slot);

  enum class Progress { kPending, kDone, kLost };

  // How far the fetch of a slot is.
  Progress Poll(uint32_t slot);

  // Waits for it, at most until `deadline`.
  Progress Await(uint32_t slot, absl::Time deadline);

  // Waits until there were more than `seen` completions, of whatever slots; at most until
  // `deadline`, the end of the link, or an Interrupt since the last call. Returns how many there
  // were. For one thread at a time.
  uint32_t AwaitMore(uint32_t seen, absl::Time deadline);
  void Interrupt();

  // How the fetch of a slot ended that is done.
  absl::Status Outcome(uint32_t slot) const;

  // Gives a slot back that is done, or of a link that is lost.
  void ReleaseSlot(uint32_t slot);

  // Gives a slot back that may be pending: the blocks stay allocated until it is done.
  void Abandon(uint32_t slot, std::vector<SharedHeap::Block> blocks);

  bool lost() const;
  // Whether it was lost while the daemon may still write.
  bool hung() const;

 private:
  struct Slot {
    bool done = false;
    absl::Status outcome;  // once done
    bool abandoned = false;
    std::vector<SharedHeap::Block> blocks;  // of an abandoned one
  };

  SharedLink(int connection, int interrupts, std::shared_ptr<SharedHeap> heap,
             absl::Duration patience);

  Progress ProgressOf(uint32_t slot) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeCompletions() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status ReadOutcome(uint32_t slot) const;
  void Free(Slot* slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Waits for completions beyond number `taken`, or an interrupt. Returns false if the daemon hung
  // up.
  bool AwaitCompletion(uint32_t taken, absl::Time deadline);
  void Watch(absl::Time deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RingDoorbell() const;
  // Returns false if the daemon hung up.
  bool TakeDoorbells() const;

  const int connection_;
  const int interrupts_;  // an eventfd that wakes who watches
  const std::shared_ptr<SharedHeap> heap_;
  const absl::Duration patience_;
  shm::SpinHabit spin_habit_;  // of whoever watches

  mutable absl::Mutex mutex_;
  std::vector<Slot> slots_ ABSL_GUARDED_BY(mutex_);
  std::vector<uint32_t> free_slots_ ABSL_GUARDED_BY(mutex_);
  uint32_t submitted_ ABSL_GUARDED_BY(mutex_) = 0;  // pushes
  uint32_t taken_ ABSL_GUARDED_BY(mutex_) = 0;      // completions
  bool watching_ ABSL_GUARDED_BY(mutex_) = false;   // a thread does, without the lock
  bool interrupted_ ABSL_GUARDED_BY(mutex_) = false;
  bool lost_ ABSL_GUARDED_BY(mutex_) = false;
  bool hung_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace engram

#endif  // ENGRAM_CLIENT_SHM_SHARED_LINK_H_
