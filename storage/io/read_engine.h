// Reads from files, many at once: by io_uring, or by a pool of threads where io_uring is refused.
#ifndef ENGRAM_STORAGE_IO_READ_ENGINE_H_
#define ENGRAM_STORAGE_IO_READ_ENGINE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace engram::storage {

struct ReadEngineOptions {
  enum class Kind { kAuto, kIoUring, kPread };
  Kind kind = Kind::kAuto;  // kAuto: io_uring, or pread threads where the kernel refuses
  bool direct_io = true;    // O_DIRECT, or buffered reads where the file system refuses
  int queue_depth = 256;    // reads in flight of one ReadQueue, 1 to 4096
  int pread_threads = 16;   // size of the fallback's pool, which all queues share, 1 to 256
};

// One read. Filled in by the caller but for `bytes_read`, `error` and `done`, which are 0 at first
// and valid once Await returned. Kept in place by the caller until then.
struct ReadRequest {
  int fd = -1;
  uint64_t offset = 0;
  size_t length = 0;
  std::byte* buffer = nullptr;  // [length]; for O_DIRECT all three aligned: kDirectAlignment

  size_t bytes_read = 0;  // less than length only at the end of the file, or on an error
  int error = 0;          // errno of the failed read, or 0
  bool done = false;
};

// One thread's reads in flight. Not thread-safe; belongs to the thread that created it. It may
// outlive its engine.
class ReadQueue {
 public:
  // Waits for every read in flight.
  virtual ~ReadQueue() = default;

  // Starts a read; blocks while queue_depth reads are in flight. Interrupted and short reads are
  // continued until the end of the file. Started reads may sit in the submission queue until the
  // next Await or Flush.
  virtual void Submit(ReadRequest* request) = 0;

  // Hands everything submitted to the kernel.
  virtual void Flush() = 0;

  // Returns when every one of `requests`, all submitted before, is done.
  virtual void Await(absl::Span<ReadRequest> requests) = 0;

  // Looks out for that until then, without sleeping; perhaps not at all. Await has to follow.
  virtual void SpinFor(absl::Span<ReadRequest> /*requests*/, absl::Time /*until*/) {}
};

// Makes queues. Thread-safe.
class ReadEngine {
 public:
  virtual ~ReadEngine() = default;

  // For the calling thread. Where the kernel refuses one more ring, it is a queue of the fallback.
  virtual std::unique_ptr<ReadQueue> NewQueue() = 0;

  // "io_uring" or "pread".
  virtual const std::string& name() const = 0;

  // One sentence that says why io_uring is not used; empty if it is, or was not asked for.
  virtual const std::string& fallback_reason() const = 0;

  virtual const ReadEngineOptions& options() const = 0;
};

// Probes the kernel and makes the engine. A fallback is logged, once for each engine.
//   INVALID_ARGUMENT     options out of range
//   FAILED_PRECONDITION  Kind::kIoUring was asked for and the kernel refuses
absl::StatusOr<std::unique_ptr<ReadEngine>> NewReadEngine(const ReadEngineOptions& options);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_IO_READ_ENGINE_H_
