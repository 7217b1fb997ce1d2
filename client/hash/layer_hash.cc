#include "client/hash/layer_hash.h"

#include <algorithm>
#include <cstddef>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/hash/numpy_rng.h"

namespace engram {
namespace {

constexpr uint64_t kMaxRows = std::numeric_limits<uint32_t>::max();
constexpr uint64_t kMaxProduct = std::numeric_limits<int64_t>::max();

// Products of a multiplier and a compressed id stay below 2^63: the models compute in int64, whose
// wrap-around would make remainders negative.
static_assert(kMaxProduct / HashConfig::kMaxVocabSize / 2 > NumpyRng::kMinBound);

std::vector<uint64_t> DrawMultipliers(uint64_t seed, uint32_t layer_id, const HashConfig& config) {
  constexpr uint64_t kLayerStride = 10007;
  NumpyRng rng(seed + kLayerStride * layer_id);
  const uint64_t bound = kMaxProduct / config.vocab_size / 2;
  std::vector<uint64_t> multipliers(config.max_ngram);
  for (uint64_t& multiplier : multipliers) {
    multiplier = 2 * rng.Below(bound) + 1;
  }
  return multipliers;
}

bool IsPrime(uint32_t n) {
  if (n < 4 || n % 2 == 0) {
    return n == 2 || n == 3;
  }
  for (uint32_t divisor = 3; uint64_t{divisor} * divisor <= n; divisor += 2) {
    if (n % divisor == 0) {
      return false;
    }
  }
  return true;
}

// The models search anew from the floor for each order and skip primes in use. As primes are used
// up without gaps, that is one walk over layers, orders and heads.
// Returns false when a layer has more than kMaxRows rows.
bool TakePrimes(size_t count, uint32_t& last_prime, LayerHash& layer) {
  for (size_t i = 0; i < count; ++i) {
    do {
      ++last_prime;
    } while (!IsPrime(last_prime));
    layer.primes.push_back(last_prime);
    layer.offsets.push_back(static_cast<uint32_t>(layer.rows));
    layer.rows += last_prime;
    if (layer.rows > kMaxRows) {
      return false;
    }
  }
  return true;
}

absl::Status TooManyRows(const LayerHash& layer) {
  return absl::InvalidArgumentError(absl::StrCat("layer ", layer.layer_id, " needs ", layer.rows,
                                                 " or more rows: a row id can name ", kMaxRows));
}

}  // namespace

absl::StatusOr<std::vector<LayerHash>> DeriveLayerHashes(const HashConfig& config) {
  if (absl::Status status = ValidateHashConfig(config); !status.ok()) {
    return status;
  }
  std::vector<LayerHash> layers(config.layer_ids.size());
  uint32_t last_prime = config.prime_floor;
  for (size_t i = 0; i < layers.size(); ++i) {
    LayerHash& layer = layers[i];
    layer.layer_id = config.layer_ids[i];
    layer.multipliers = config.seed.has_value()
                            ? DrawMultipliers(*config.seed, layer.layer_id, config)
                            : config.multipliers[i];
    if (!TakePrimes(size_t{config.orders()} * config.heads, last_prime, layer)) {
      return TooManyRows(layer);
    }
    layer.rows += (config.row_multiple - layer.rows % config.row_multiple) % config.row_multiple;
    if (layer.rows > kMaxRows) {
      return TooManyRows(layer);
    }
    if (!config.expected_rows.empty() && config.expected_rows[i] != layer.rows) {
      return absl::InvalidArgumentError(
          absl::StrCat("layer ", layer.layer_id, ": the hash heads' primes make ", layer.rows,
                       " rows, but the config says ", config.expected_rows[i]));
    }
  }
  return layers;
}

}  // namespace engram
