#include "tests/bench/device_bursts.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/bench/cold_layout_tables.h"
#include "tests/bench/measure.h"

namespace engram::bench {
namespace {

constexpr int kBurstsOfEachSize = 100;
constexpr absl::Duration kRest = absl::Milliseconds(5);

}  // namespace

absl::StatusOr<BurstTimes> MeasureBursts(const std::string& dir, absl::Span<const size_t> sizes) {
  Raw raw(static_cast<int>(*std::max_element(sizes.begin(), sizes.end())));
  absl::Status status = raw.Open(dir);
  if (!status.ok()) return status;
  std::map<size_t, std::vector<double>> times;
  for (int i = 0; i < kBurstsOfEachSize; ++i) {
    for (const size_t size : sizes) {
      absl::SleepFor(kRest);
      const absl::Time start = absl::Now();
      if (status = raw.Read(size); !status.ok()) return status;
      times[size].push_back(absl::ToDoubleMicroseconds(absl::Now() - start));
    }
  }
  std::map<size_t, double> us;
  for (auto& [size, bursts] : times) us[size] = Median(std::move(bursts));
  return BurstTimes(std::move(us));
}

}  // namespace engram::bench
