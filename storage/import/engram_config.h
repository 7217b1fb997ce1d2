// What a model's config.json says about its Engram layers.
#ifndef ENGRAM_STORAGE_IMPORT_ENGRAM_CONFIG_H_
#define ENGRAM_STORAGE_IMPORT_ENGRAM_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace engram::storage {

// One table of a checkpoint. Tensor names lack the prefix that wrappers of the model put before
// them ("model.").
struct EngramLayer {
  uint32_t id = 0;    // as config.json counts
  uint64_t rows = 0;  // 0: config.json does not say
  // Matrices of values; their rows, one matrix after another, are the table's.
  std::vector<std::string> weights;
  std::string scale;  // of the FP8 values: a byte for each block, or one number for the table
};

struct EngramConfig {
  uint32_t group_size = 0;  // hash heads of an n-gram
  std::vector<uint32_t> orders;
  uint32_t values_per_row = 0;
  std::string values_text;  // what says so in config.json, for messages
  std::vector<EngramLayer> layers;
};

// Parses the text of a config.json; the keys stand under text_config or at the top. Two families:
//  - DeepSeek-V4.1: engram_layer_ids [L...], engram_num_embeddings [rows...],
//    engram_max_ngram_size, engram_n_heads, engram_head_dim;
//    tensors layers.L.engram.embed.weight and .scale;
//  - Qwen3.8-Flash-Next (PLE): ple_layer_ids [L...] (counted from 1), ngram_size, heads_per_ngram,
//    ple_embed_dim (of all heads of a token together), split_ngram_parts (N, or absent: whole);
//    with P = layers.(L-1).ple.ple_embedding.ngram_embedding, tensors P.shard_0.weight to
//    P.shard_(N-1).weight (or P.weight) and P.weight_scale.
// `path` begins every message.
//   INVALID_ARGUMENT  not JSON, or a key is missing, of the wrong type or out of range
//   NOT_FOUND         it names no Engram layers
absl::StatusOr<EngramConfig> ParseEngramConfig(absl::string_view text, absl::string_view path);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_IMPORT_ENGRAM_CONFIG_H_
