// How both sides use a ring of proto/shared_memory.h.
#ifndef ENGRAM_PROTO_RING_H_
#define ENGRAM_PROTO_RING_H_

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
