// The io_uring engine: one ring for each queue.
#ifndef ENGRAM_STORAGE_IO_URING_ENGINE_H_
#define ENGRAM_STORAGE_IO_URING_ENGINE_H_

#include <liburing.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/io/read_engine.h"

namespace engram::storage {

// io_uring_queue_init, or what a test puts in its place: 0, or -errno.
using RingSetup = std::function<int(unsigned entries, io_uring* ring, unsigned flags)>;

// Makes a small ring, with the most of {SINGLE_ISSUER | DEFER_TASKRUN, COOP_TASKRUN, none} that
// the kernel knows, sends a request through it and removes it. Returns 0 and sets *flags, or
// returns the errno of the refusal.
int ProbeRing(const RingSetup& setup, unsigned* flags);

// The sentence that tells an operator why io_uring is refused, and what would allow it.
std::string RefusalSentence(int error);

// NewReadEngine with `setup` in place of io_uring_queue_init, for the probe and all queues.
absl::StatusOr<std::unique_ptr<ReadEngine>> NewReadEngineWithSetup(const ReadEngineOptions& options,
                                                                   RingSetup setup);

// The engine on rings with `flags`, as ProbeRing found them.
std::unique_ptr<ReadEngine> NewUringEngine(const ReadEngineOptions& options, unsigned flags,
                                           RingSetup setup);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_IO_URING_ENGINE_H_
