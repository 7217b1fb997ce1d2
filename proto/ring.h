// How both sides use a ring of proto/shared_memory.h.
#ifndef ENGRAM_PROTO_RING_H_
#define ENGRAM_PROTO_RING_H_

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "proto/shared_memory.h"

namespace engram::shm {

// How long to look out for a push before sleeping. Waking the other side takes about as long, and
// beside the time between two steps of a model it is nothing.
inline constexpr absl::Duration kSpin = absl::Microseconds(50);

inline void CpuRelax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Looks out for a push beyond number `taken`, for kSpin and at most until `deadline`. Returns
// whether there is one.
inline bool SpinForPush(const Ring& ring, uint32_t taken, absl::Time deadline) {
  constexpr int kLooks = 16;  // between two looks at the clock
  const absl::Time end = absl::Now() + kSpin;
  absl::Time now;
  do {
    for (int i = 0; i < kLooks; ++i) {
      if (ring.count.load(std::memory_order_acquire) != taken) {
        return true;
      }
      CpuRelax();
    }
    now = absl::Now();
  } while (now < end && now < deadline);
  return false;
}

// Whether a side that waits should spin: not where it did so in vain again and again, as between
// the steps of a model or while NVMe is read, for on a busy host it takes the time of whoever is
// waited for. Once in a while it tries again. For one thread at a time.
class SpinHabit {
 public:
  static constexpr int kInVain = 2;    // spins, one after the other
  static constexpr int kWithout = 15;  // waits after that

  // Of the wait that begins.
  bool ShouldSpin() {
    if (without_ == 0) return true;
    --without_;
    return false;
  }

  // Whether a spin found a push.
  void Note(bool found) {
    in_vain_ = found ? 0 : std::min(in_vain_ + 1, kInVain);
    without_ = in_vain_ == kInVain ? kWithout : 0;
  }

 private:
  int in_vain_ = 0;
  int without_ = 0;
};

// SpinForPush, if that is the habit.
inline bool SpinForPush(const Ring& ring, uint32_t taken, absl::Time deadline, SpinHabit* habit) {
  if (!habit->ShouldSpin()) return ring.count.load(std::memory_order_acquire) != taken;
  const bool found = SpinForPush(ring, taken, deadline);
  habit->Note(found);
  return found;
}

// Pushes a slot, the *pushes-th, on a ring of `slots`. For one thread at a time.
inline void Push(Ring* ring, uint32_t slots, uint32_t slot, uint32_t* pushes) {
  ring->entries[*pushes % slots].store(slot, std::memory_order_relaxed);
  ring->count.store(++*pushes);
}

// Whether whoever has pushed must ring the doorbell: the other side sleeps, and nobody else does.
inline bool MustRing(Ring* ring) {
  return ring->asleep.load() != 0 && ring->asleep.exchange(0) != 0;
}

}  // namespace engram::shm

#endif  // ENGRAM_PROTO_RING_H_
