// Bounds the answers that are being made or sent.
#ifndef ENGRAM_SERVER_IN_FLIGHT_LIMIT_H_
#define ENGRAM_SERVER_IN_FLIGHT_LIMIT_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace engram::server {

// Thread-safe. Owned by a shared_ptr, because gRPC may let go of the last answer after everything
// else of the daemon is gone.
class InFlightLimit : public std::enable_shared_from_this<InFlightLimit> {
 public:
  // A share of the limit, given back on destruction.
  class Grant {
   public:
    Grant() = default;
    Grant(Grant&& other) noexcept;
    Grant& operator=(Grant&& other) noexcept;
    ~Grant();

   private:
    friend class InFlightLimit;
    Grant(std::shared_ptr<InFlightLimit> limit, uint64_t rows, uint64_t bytes)
        : limit_(std::move(limit)), rows_(rows), bytes_(bytes) {}
    std::shared_ptr<InFlightLimit> limit_;
    uint64_t rows_ = 0;
    uint64_t bytes_ = 0;
  };

  explicit InFlightLimit(uint64_t max_bytes) : max_bytes_(max_bytes) {}

  //   RESOURCE_EXHAUSTED  at once, where `bytes` more would be over the limit
  absl::StatusOr<Grant> Acquire(uint64_t rows, uint64_t bytes);

  // Waits until nothing is in flight; returns whether that was so before `timeout`.
  bool AwaitIdle(absl::Duration timeout);

  struct Stats {
    uint64_t rows = 0;
    uint64_t bytes = 0;
    uint64_t rejected = 0;
  };
  Stats stats() const;

 private:
  void Release(uint64_t rows, uint64_t bytes);

  const uint64_t max_bytes_;
  mutable absl::Mutex mutex_;
  Stats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::server

#endif  // ENGRAM_SERVER_IN_FLIGHT_LIMIT_H_
