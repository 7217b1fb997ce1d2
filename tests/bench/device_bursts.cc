#include "tests/bench/device_bursts.h"

#include <algorithm>
#include <atomic>
#include <thread>
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
constexpr int kBurstsBesideLoad = 500;
// Not in step with whatever happens to a device every ten milliseconds.
constexpr absl::Duration kStep = absl::Microseconds(7300);

absl::StatusOr<double> P99OfBursts(Raw* raw, size_t size) {
  std::vector<double> us;
  absl::Time next = absl::Now();
  for (int i = 0; i < kBurstsBesideLoad; ++i) {
    absl::SleepFor(next - absl::Now());
    next += kStep;
    const absl::Time start = absl::Now();
    if (absl::Status status = raw->Read(size); !status.ok()) return status;
    us.push_back(absl::ToDoubleMicroseconds(absl::Now() - start));
  }
  return Quantile(std::move(us), 0.99);
}

}  // namespace

absl::StatusOr<BurstTimes> MeasureBursts(const std::string& dir, absl::Span<const size_t> sizes) {
  Raw raw(static_cast<int>(*std::max_element(sizes.begin(), sizes.end())));
  absl::Status status = raw.Open(dir);
  if (!status.ok()) return status;
  std::vector<BurstTimes::Round> rounds(kBurstsOfEachSize);
  for (BurstTimes::Round& round : rounds) {
    for (const size_t size : sizes) {
      absl::SleepFor(kRest);
      const absl::Time start = absl::Now();
      if (status = raw.Read(size); !status.ok()) return status;
      round[size] = absl::ToDoubleMicroseconds(absl::Now() - start);
    }
  }
  return BurstTimes(std::move(rounds));
}

absl::StatusOr<double> MeasureReadsPerS(const std::string& dir) {
  constexpr int kDepth = 128;
  constexpr size_t kReads = 20'000;  // some 0.2 s
  Raw raw(kDepth);
  absl::Status status = raw.Open(dir);
  std::vector<double> reads_per_s;
  for (int round = 0; round < kMinRounds && status.ok(); ++round) {
    const absl::Time start = absl::Now();
    status = raw.Read(kReads);
    reads_per_s.push_back(kReads / absl::ToDoubleSeconds(absl::Now() - start));
  }
  if (!status.ok()) return status;
  return Median(std::move(reads_per_s));
}

absl::StatusOr<BurstsBesideLoad> MeasureBesideLoad(const std::string& dir, size_t size) {
  constexpr size_t kReadsOfALook = 2000;
  Raw raw(static_cast<int>(size));
  if (absl::Status status = raw.Open(dir); !status.ok()) return status;
  const auto idle = P99OfBursts(&raw, size);
  if (!idle.ok()) return idle.status();
  std::atomic<bool> done{false};
  uint64_t reads = 0;
  absl::Status load_status;
  const absl::Time start = absl::Now();
  std::thread thread([&] {
    Raw load(kLoadReads);  // whose reads are for the thread that opens it
    load_status = load.Open(dir);
    for (; load_status.ok() && !done.load(); reads += kReadsOfALook) {
      load_status = load.Read(kReadsOfALook);
    }
  });
  const auto loaded = P99OfBursts(&raw, size);
  done.store(true);
  thread.join();
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  if (!loaded.ok()) return loaded.status();
  if (!load_status.ok()) return load_status;
  return BurstsBesideLoad{.idle_p99_us = *idle,
                          .loaded_p99_us = *loaded,
                          .load_reads_per_s = static_cast<double>(reads) / seconds};
}

}  // namespace engram::bench
