// A device that stops now and then.
#ifndef ENGRAM_TESTS_BENCH_STALLING_ENGINE_H_
#define ENGRAM_TESTS_BENCH_STALLING_ENGINE_H_

#include <memory>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "storage/io/read_engine.h"

namespace engram::bench {

// Of every `period`, since the epoch, no read ends in the first `length`.
struct DeviceStalls {
  absl::Duration length;
  absl::Duration period;
};

// Removes "--device-stalls=LENGTH/PERIOD", as 200ms/2s, from the arguments of a daemon. Nothing if
// there is none; one that cannot be read is left for the daemon to complain of.
std::optional<DeviceStalls> TakeStallFlag(std::vector<const char*>* args);

// Reads as `engine` does, between the stalls.
std::unique_ptr<storage::ReadEngine> NewStallingEngine(std::unique_ptr<storage::ReadEngine> engine,
                                                       const DeviceStalls& stalls);

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_STALLING_ENGINE_H_
