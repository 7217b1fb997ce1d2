#include "server/in_flight_limit.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace engram::server {

InFlightLimit::Grant::Grant(Grant&& other) noexcept
    : limit_(std::move(other.limit_)), rows_(other.rows_), bytes_(other.bytes_) {}

InFlightLimit::Grant& InFlightLimit::Grant::operator=(Grant&& other) noexcept {
  std::swap(limit_, other.limit_);
  std::swap(rows_, other.rows_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

InFlightLimit::Grant::~Grant() {
  if (limit_ != nullptr) {
    limit_->Release(rows_, bytes_);
  }
}

absl::StatusOr<InFlightLimit::Grant> InFlightLimit::Acquire(uint64_t rows, uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  if (bytes > max_bytes_ - stats_.bytes) {
    ++stats_.rejected;
    return absl::ResourceExhaustedError(
        absl::StrCat("too much work in flight: this answer of ", bytes, " bytes and ", stats_.bytes,
                     " bytes under way are over the limit of ", max_bytes_, "; try again later"));
  }
  stats_.rows += rows;
  stats_.bytes += bytes;
  return Grant(shared_from_this(), rows, bytes);
}

void InFlightLimit::Release(uint64_t rows, uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  stats_.rows -= rows;
  stats_.bytes -= bytes;
}

bool InFlightLimit::AwaitIdle(absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  const auto idle = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stats_.rows == 0; };
  return mutex_.AwaitWithTimeout(absl::Condition(&idle), timeout);
}

InFlightLimit::Stats InFlightLimit::stats() const {
  absl::MutexLock lock(&mutex_);
  return stats_;
}

}  // namespace engram::server
