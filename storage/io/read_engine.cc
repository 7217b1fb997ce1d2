#include "storage/io/read_engine.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"
#include "storage/io/pread_engine.h"
#include "storage/io/uring_engine.h"

namespace engram::storage {
namespace {

constexpr int kMaxQueueDepth = 4096;
constexpr int kMaxPreadThreads = 256;

absl::Status CheckRange(absl::string_view name, int value, int max) {
  if (value >= 1 && value <= max) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(name, " is ", value, ", not in 1 to ", max));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ReadEngine>> NewReadEngineWithSetup(const ReadEngineOptions& options,
                                                                   RingSetup setup) {
  if (auto status = CheckRange("queue_depth", options.queue_depth, kMaxQueueDepth); !status.ok()) {
    return status;
  }
  if (auto status = CheckRange("pread_threads", options.pread_threads, kMaxPreadThreads);
      !status.ok()) {
    return status;
  }
  if (options.kind == ReadEngineOptions::Kind::kPread) {
    return NewPreadEngine(options, "");
  }
  unsigned flags = 0;
  const int error = ProbeRing(setup, &flags);
  if (error == 0) {
    return NewUringEngine(options, flags, std::move(setup));
  }
  std::string reason = RefusalSentence(error);
  if (options.kind == ReadEngineOptions::Kind::kIoUring) {
    return absl::FailedPreconditionError(reason);
  }
  spdlog::warn("reads use {} pread threads: {}", options.pread_threads, reason);
  return NewPreadEngine(options, std::move(reason));
}

absl::StatusOr<std::unique_ptr<ReadEngine>> NewReadEngine(const ReadEngineOptions& options) {
  return NewReadEngineWithSetup(options, [](unsigned entries, io_uring* ring, unsigned flags) {
    return io_uring_queue_init(entries, ring, flags);
  });
}

}  // namespace engram::storage
