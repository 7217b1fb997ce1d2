// Replays a token trace through hasher, client and daemon, for all Engram layers at once.
#ifndef ENGRAM_CLIENT_CTL_REPLAY_H_
#define ENGRAM_CLIENT_CTL_REPLAY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/ctl/replay_tables.h"
#include "client/hash/ngram_hasher.h"
#include "client/hash/trace.h"

namespace engram::ctl {

struct ReplayOptions {
  size_t chunk_tokens = 1024;  // tokens of one fetch of each layer
  int in_flight = 4;           // chunks under way at a time
  uint64_t passes = 1;
  double tokens_per_second = 0;  // at most; 0: as fast as they come
  bool check = true;             // compare every byte with what self-describing rows hold
};

struct ReplayResult {
  // Groups by the tier that they came from.
  using TierCounts = std::array<uint64_t, 4>;  // by the number of a Tier

  uint64_t tokens = 0;
  uint64_t rows = 0;   // over all layers
  uint64_t bytes = 0;  // of those rows
  absl::Duration duration;
  std::vector<TierCounts> groups;  // [orders], over all layers
  // Of each chunk, from the first layer's request to the last layer's rows; sorted.
  std::vector<absl::Duration> chunk_latencies;
  bool complete = false;  // false: `keep_going` ended it
};

// Replays the whole trace `passes` times, with a thread for each chunk in flight.
//   tables: one for each layer of the hasher, as OpenReplayTables
//   keep_going: called by this thread some ten times a second with the tokens done; returning false
//               ends the replay, and what was done is returned
// Returns:
//   DATA_LOSS         a row has wrong bytes, or the daemon could not read it; names table and row
//   INVALID_ARGUMENT  a chunk needs more rows than one fetch may carry
//   OUT_OF_RANGE      a token is not in the token map
//   or what else Table::Fetch does, naming the table
absl::StatusOr<ReplayResult> Replay(const NgramHasher& hasher, const TokenTrace& trace,
                                    const std::vector<ReplayTable>& tables,
                                    const ReplayOptions& options,
                                    const std::function<bool(uint64_t tokens_done)>& keep_going);

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_REPLAY_H_
