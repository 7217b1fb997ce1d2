// How fast the n-gram hasher turns tokens into row ids.
#ifndef ENGRAM_TESTS_BENCH_HASH_BENCH_H_
#define ENGRAM_TESTS_BENCH_HASH_BENCH_H_

#include <cstddef>
#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"

namespace engram::bench {

struct HashBenchOptions {
  size_t chunk_tokens = 4096;
  int rounds = 5;
};

// Hashes random tokens with DeepSeek-V4.1's constants on one core, both layers, compression of the
// token ids included. The object holds the medians
//   prefill_ids_per_s  row ids a second, in chunks of chunk_tokens
//   decode_ids_per_s   one token at a time
// Returns INVALID_ARGUMENT if chunk_tokens is 0 or there are fewer than 5 rounds.
absl::StatusOr<nlohmann::json> RunHashBench(const HashBenchOptions& options);

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_HASH_BENCH_H_
