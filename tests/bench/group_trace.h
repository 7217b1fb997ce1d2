// Token traces as the groups that they make a store look up.
#ifndef ENGRAM_TESTS_BENCH_GROUP_TRACE_H_
#define ENGRAM_TESTS_BENCH_GROUP_TRACE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/hash/ngram_hasher.h"
#include "storage/placement/eviction_policy.h"

namespace engram::bench {

// One layer's groups, numbered: first those of the trace, as they first appear in it, then those
// that only the seed has, then a scan's.
struct GroupTrace {
  uint64_t tokens = 0;  // of the trace
  uint32_t layer_id = 0;
  uint32_t group_size = 0;              // rows of a group
  uint32_t orders = 0;                  // groups of a token
  uint32_t distinct = 0;                // groups of the trace: the numbers below this
  std::vector<uint32_t> accesses = {};  // the trace, a token's groups in the order of their orders
  std::vector<uint32_t> seed = {};      // likewise, what is looked up before it; may be empty
  std::vector<storage::GroupKey> keys = {};  // [groups], as GroupCache tells them to its policy

  uint32_t groups() const { return static_cast<uint32_t>(keys.size()); }
};

// An empty trace, config or token_map is that of the tests' data; so are that trace's documents.
struct GroupTraceOptions {
  std::string trace = {};  // see ReadTrace
  std::string docs = {};
  std::string seed_trace = {};  // empty: none
  std::string seed_docs = {};
  std::string config = {};  // a model's config.json
  std::string token_map = {};
  std::optional<uint32_t> layer = {};  // a layer id of the config; none: its first
};

GroupTraceOptions WithDefaults(GroupTraceOptions options);

// The hasher of the config with the token map. Returns what LoadHashConfig, LoadTokenMap and
// NgramHasher do.
absl::StatusOr<NgramHasher> LoadHasher(const GroupTraceOptions& options);

// Groups are told apart by the 64-bit hash of their row ids.
// Returns what ReadTrace and LoadHasher do, and INVALID_ARGUMENT if
// the config lacks the layer, or the traces are too long to number their groups in 32 bits.
absl::StatusOr<GroupTrace> ReadGroupTrace(const GroupTraceOptions& options);

// The same with so many groups that are never repeated, spread evenly over the second half of the
// trace's accesses.
GroupTrace WithScan(GroupTrace trace, uint32_t scan_groups);

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_GROUP_TRACE_H_
