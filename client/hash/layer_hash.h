// The constants that a layer's hash is made of.
#ifndef ENGRAM_CLIENT_HASH_LAYER_HASH_H_
#define ENGRAM_CLIENT_HASH_LAYER_HASH_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "client/hash/hash_config.h"

namespace engram {

// With token t[s] standing s positions back, the n-gram of order n is mixed into
//   t[0] * multipliers[0] ^ ... ^ t[n-1] * multipliers[n-1]
// and its row under head h is mixed mod primes[n-2][h] + offsets[n-2][h].
struct LayerHash {
  uint32_t layer_id = 0;
  std::vector<uint64_t> multipliers;  // [max_ngram]
  std::vector<uint32_t> primes;       // [orders x heads]
  std::vector<uint32_t> offsets;      // [orders x heads], running sum of the primes
  uint64_t rows = 0;                  // of the layer's table, padding included
};

// Derives the constants of every layer, in the order of config.layer_ids.
// Returns INVALID_ARGUMENT if the config is not valid, a layer has more rows than a 32-bit id can
// name, or its rows differ from config.expected_rows.
absl::StatusOr<std::vector<LayerHash>> DeriveLayerHashes(const HashConfig& config);

}  // namespace engram

#endif  // ENGRAM_CLIENT_HASH_LAYER_HASH_H_
