// The fallback engine: a pool of threads that call pread.
#ifndef ENGRAM_STORAGE_IO_PREAD_ENGINE_H_
#define ENGRAM_STORAGE_IO_PREAD_ENGINE_H_

#include <sys/types.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "storage/io/read_engine.h"

namespace engram::storage {

// pread(2), or what a test puts in its place: bytes read, or -1 and errno.
using PreadFunction = std::function<ssize_t(int fd, void* buffer, size_t length, off_t offset)>;

// Where the reads of one queue are reported when they are done.
class ReadCompletion {
 public:
  virtual ~ReadCompletion() = default;
  // Called once for each read, by a thread of the pool: `result` is what *request becomes.
  virtual void Complete(const ReadRequest& result, ReadRequest* request) = 0;
};

// The threads, shared by all queues. Thread-safe.
class PreadPool {
 public:
  PreadPool(int threads, PreadFunction pread);
  // All reads must be done.
  ~PreadPool();

  // Starts reads, whose completion goes to `completion`.
  void Add(absl::Span<ReadRequest* const> requests, ReadCompletion* completion);

 private:
  struct Job {
    ReadRequest* request;
    ReadCompletion* completion;
  };

  void Run();
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stop_ || !jobs_.empty(); }

  const PreadFunction pread_;
  absl::Mutex mutex_;
  std::deque<Job> jobs_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

// A queue on the pool, with up to `queue_depth` reads in flight.
std::unique_ptr<ReadQueue> NewPreadQueue(std::shared_ptr<PreadPool> pool, int queue_depth);

// `fallback_reason` is what the engine answers for it. `pread` is the system's if empty.
std::unique_ptr<ReadEngine> NewPreadEngine(const ReadEngineOptions& options,
                                           std::string fallback_reason, PreadFunction pread = {});

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_IO_PREAD_ENGINE_H_
