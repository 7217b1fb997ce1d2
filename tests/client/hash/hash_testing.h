// Helpers for the hasher's tests: DeepSeek-V4.1's and Qwen's configs, files, and a reference that
// computes rows from the definition, one position at a time.
#ifndef ENGRAM_TESTS_CLIENT_HASH_HASH_TESTING_H_
#define ENGRAM_TESTS_CLIENT_HASH_HASH_TESTING_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "client/hash/hash_config.h"
#include "client/hash/layer_hash.h"
#include "client/hash/ngram_hasher.h"
#include "nlohmann/json.hpp"

namespace engram {

// A file under tests/data.
std::string TestData(absl::string_view name);

// Writes a file of the running test's own and returns its path.
std::string WriteTemp(absl::string_view name, absl::string_view content);

// Numbers as the bytes of a ".u32" file; and a file's bytes as one zstd frame.
std::string U32Bytes(absl::Span<const uint32_t> values);
std::string Compress(absl::string_view bytes);

// tests/data/v41_vectors.json, and tests/data/v41_config.json parsed.
const nlohmann::json& V41Vectors();
HashConfig V41Config();

// Qwen3.8-Flash-Next, with the multipliers of its checkpoint.
HashConfig QwenConfig();

// A hasher whose config and map must be sound.
NgramHasher MakeHasher(const HashConfig& config, std::vector<uint32_t> token_map);

// A sequence for the reference: token ids or kDeadToken, and where segments start besides 0.
struct Sequence {
  std::vector<uint32_t> tokens;
  std::vector<size_t> segment_starts;
};

// The rows of every position in one layer, straight from the definition.
std::vector<uint32_t> ReferenceRows(const HashConfig& config, const std::vector<uint32_t>& map,
                                    const LayerHash& layer, const Sequence& sequence);

}  // namespace engram

#endif  // ENGRAM_TESTS_CLIENT_HASH_HASH_TESTING_H_
