// Tells ThreadSanitizer what absl::Mutex and absl::CondVar order. Debian's library is built without
// it, so that every access under an absl::Mutex would be taken for a race, in gRPC too. Programs
// define the functions below in the library's place; each calls the library's own.
#include <dlfcn.h>

#include <type_traits>

#include "absl/synchronization/mutex.h"

extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
}

// The library's function of that symbol.
#define ENGRAM_NEXT(type, symbol)                                                                  \
  ([]() {                                                                                          \
    static const auto next = reinterpret_cast<std::add_pointer_t<type>>(dlsym(RTLD_NEXT, symbol)); \
    return next;                                                                                   \
  }())

namespace absl {
ABSL_NAMESPACE_BEGIN
namespace {

using LockCall = void(Mutex*);
using TryLockCall = bool(Mutex*);
using When = void(Mutex*, const Condition&);
using WhenTimeout = bool(Mutex*, const Condition&, Duration);
using WhenDeadline = bool(Mutex*, const Condition&, Time);
using CondWait = void(CondVar*, Mutex*);
using CondWaitTimeout = bool(CondVar*, Mutex*, Duration);
using CondWaitDeadline = bool(CondVar*, Mutex*, Time);

// While it lives, the thread's reads are not looked at: whoever unlocks a mutex evaluates the
// conditions of those that wait for it, and is still holding it then.
class IgnoreReads {
 public:
  IgnoreReads() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); }
  ~IgnoreReads() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
  IgnoreReads(const IgnoreReads&) = delete;
  IgnoreReads& operator=(const IgnoreReads&) = delete;
};

bool AcquireIf(bool taken, Mutex* mutex) {
  if (taken) {
    __tsan_acquire(mutex);
  }
  return taken;
}

}  // namespace

void Mutex::Lock() {
  ENGRAM_NEXT(LockCall, "_ZN4absl7debian35Mutex4LockEv")(this);
  __tsan_acquire(this);
}

void Mutex::Unlock() {
  __tsan_release(this);
  const IgnoreReads ignore;
  ENGRAM_NEXT(LockCall, "_ZN4absl7debian35Mutex6UnlockEv")(this);
}

bool Mutex::TryLock() {
  return AcquireIf(ENGRAM_NEXT(TryLockCall, "_ZN4absl7debian35Mutex7TryLockEv")(this), this);
}

void Mutex::ReaderLock() {
  ENGRAM_NEXT(LockCall, "_ZN4absl7debian35Mutex10ReaderLockEv")(this);
  __tsan_acquire(this);
}

void Mutex::ReaderUnlock() {
  __tsan_release(this);
  const IgnoreReads ignore;
  ENGRAM_NEXT(LockCall, "_ZN4absl7debian35Mutex12ReaderUnlockEv")(this);
}

bool Mutex::ReaderTryLock() {
  return AcquireIf(ENGRAM_NEXT(TryLockCall, "_ZN4absl7debian35Mutex13ReaderTryLockEv")(this), this);
}

void Mutex::LockWhen(const Condition& condition) {
  ENGRAM_NEXT(When, "_ZN4absl7debian35Mutex8LockWhenERKNS0_9ConditionE")(this, condition);
  __tsan_acquire(this);
}

void Mutex::Await(const Condition& condition) {
  __tsan_release(this);
  const IgnoreReads ignore;
  ENGRAM_NEXT(When, "_ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE")(this, condition);
  __tsan_acquire(this);
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  __tsan_release(this);
  const IgnoreReads ignore;
  const bool met = ENGRAM_NEXT(
      WhenTimeout, "_ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE")(
      this, condition, timeout);
  __tsan_acquire(this);
  return met;
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  __tsan_release(this);
  const IgnoreReads ignore;
  const bool met = ENGRAM_NEXT(
      WhenDeadline, "_ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE")(
      this, condition, deadline);
  __tsan_acquire(this);
  return met;
}

void CondVar::Wait(Mutex* mutex) {
  __tsan_release(mutex);
  const IgnoreReads ignore;
  ENGRAM_NEXT(CondWait, "_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE")(this, mutex);
  __tsan_acquire(mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  __tsan_release(mutex);
  const IgnoreReads ignore;
  const bool timed_out = ENGRAM_NEXT(
      CondWaitTimeout, "_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE")(
      this, mutex, timeout);
  __tsan_acquire(mutex);
  return timed_out;
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  __tsan_release(mutex);
  const IgnoreReads ignore;
  const bool timed_out = ENGRAM_NEXT(
      CondWaitDeadline, "_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE")(
      this, mutex, deadline);
  __tsan_acquire(mutex);
  return timed_out;
}

ABSL_NAMESPACE_END
}  // namespace absl
