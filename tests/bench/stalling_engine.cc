#include "tests/bench/stalling_engine.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"

namespace engram::bench {
namespace {

constexpr absl::string_view kFlag = "--device-stalls=";

class StallingQueue final : public storage::ReadQueue {
 public:
  StallingQueue(std::unique_ptr<storage::ReadQueue> queue, const DeviceStalls& stalls)
      : queue_(std::move(queue)), stalls_(stalls) {}

  void Submit(storage::ReadRequest* request) override { queue_->Submit(request); }
  void Flush() override { queue_->Flush(); }

  void Await(absl::Span<storage::ReadRequest> requests) override {
    queue_->Await(requests);
    absl::Duration into_period;
    absl::IDivDuration(absl::Now() - absl::UnixEpoch(), stalls_.period, &into_period);
    if (into_period < stalls_.length) absl::SleepFor(stalls_.length - into_period);
  }

 private:
  const std::unique_ptr<storage::ReadQueue> queue_;
  const DeviceStalls stalls_;
};

class StallingEngine final : public storage::ReadEngine {
 public:
  StallingEngine(std::unique_ptr<storage::ReadEngine> engine, const DeviceStalls& stalls)
      : engine_(std::move(engine)), stalls_(stalls) {}

  std::unique_ptr<storage::ReadQueue> NewQueue() override {
    return std::make_unique<StallingQueue>(engine_->NewQueue(), stalls_);
  }
  const std::string& name() const override { return engine_->name(); }
  const std::string& fallback_reason() const override { return engine_->fallback_reason(); }
  const storage::ReadEngineOptions& options() const override { return engine_->options(); }

 private:
  const std::unique_ptr<storage::ReadEngine> engine_;
  const DeviceStalls stalls_;
};

}  // namespace

std::optional<DeviceStalls> TakeStallFlag(std::vector<const char*>* args) {
  const auto flag = std::find_if(args->begin(), args->end(),
                                 [](const char* arg) { return absl::StartsWith(arg, kFlag); });
  if (flag == args->end()) return std::nullopt;
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(absl::string_view(*flag).substr(kFlag.size()), '/');
  DeviceStalls stalls;
  if (!absl::ParseDuration(parts.first, &stalls.length) ||
      !absl::ParseDuration(parts.second, &stalls.period) || stalls.period <= absl::ZeroDuration()) {
    return std::nullopt;
  }
  args->erase(flag);
  return stalls;
}

std::unique_ptr<storage::ReadEngine> NewStallingEngine(std::unique_ptr<storage::ReadEngine> engine,
                                                       const DeviceStalls& stalls) {
  return std::make_unique<StallingEngine>(std::move(engine), stalls);
}

}  // namespace engram::bench
