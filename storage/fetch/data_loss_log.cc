#include "storage/fetch/data_loss_log.h"

#include <atomic>
#include <cstdint>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "spdlog/spdlog.h"

namespace engram::storage {

void LogDataLoss(const std::string& table, const absl::Status& status) {
  static std::atomic<int64_t> next_log{0};
  static std::atomic<uint64_t> left_out{0};
  const int64_t now = absl::ToUnixNanos(absl::Now());
  int64_t next = next_log.load(std::memory_order_relaxed);
  constexpr int64_t kNanosPerSecond = 1'000'000'000;
  if (now < next || !next_log.compare_exchange_strong(next, now + kNanosPerSecond)) {
    left_out.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  spdlog::error("reading rows of {} failed: {} ({} more since the last such line)", table,
                std::string(status.message()), left_out.exchange(0, std::memory_order_relaxed));
}

}  // namespace engram::storage
