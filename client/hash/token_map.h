// Token maps: the compressed id of every token id, as the model's n-grams see it.
#ifndef ENGRAM_CLIENT_HASH_TOKEN_MAP_H_
#define ENGRAM_CLIENT_HASH_TOKEN_MAP_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace engram {

// Reads a map that ships with a model: one little-endian 32-bit number for each token id, in a
// ".u32" or ".u32.zst" file. Returns what ReadU32File does, and INVALID_ARGUMENT for an empty map.
absl::StatusOr<std::vector<uint32_t>> LoadTokenMap(const std::string& path);

// The map of a model that hashes its token ids as they are.
std::vector<uint32_t> IdentityTokenMap(uint32_t vocab_size);

}  // namespace engram

#endif  // ENGRAM_CLIENT_HASH_TOKEN_MAP_H_
