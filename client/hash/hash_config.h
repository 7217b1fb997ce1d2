// What a model's config.json says about how its Engram layers are hashed.
//
// Two families are known by their keys, which stand at the top level or under `text_config`:
//
//   DeepSeek-V4.1                    here
//   engram_layer_ids [1, 14]         layer_ids
//   engram_max_ngram_size 4          max_ngram
//   engram_n_heads 8                 heads
//   engram_head_dim 256              values_per_row
//   engram_vocab_size 16000000       prime_floor, plus one
//   engram_compressed_vocab_size     vocab_size
//   engram_pad_token_id 2            pad_token_id
//   engram_num_embeddings [..]       expected_rows       (optional)
//   engram_seed 0                    seed                (optional)
//
//   Qwen3.8-Flash-Next               here
//   ple_layer_ids [2]                layer_ids
//   ngram_size 3                     max_ngram
//   heads_per_ngram 8                heads
//   ple_embed_dim 2560               values_per_row, times all heads
//   ngram_vocab_size_base 20000000   prime_floor
//   vocab_size 248320                vocab_size; its token map is the identity
//   eos_token_id 248044              pad_token_id and segment_end_token_id
//   make_ngram_vocab_size_divisible_by 128   row_multiple        (optional)
//   ple_layer_multipliers [[..]]             multipliers         (optional)
//
// Qwen's checkpoint keeps its multipliers in a tensor, `layer_multipliers`: whoever reads it puts
// them into `multipliers`, or writes them into the config under the last key, which is ours.
#ifndef ENGRAM_CLIENT_HASH_HASH_CONFIG_H_
#define ENGRAM_CLIENT_HASH_HASH_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace engram {

struct HashConfig {
  static constexpr uint32_t kMaxLayers = 256;
  static constexpr uint32_t kMaxNgram = 8;
  static constexpr uint32_t kMaxHeads = 64;
  static constexpr uint32_t kMaxVocabSize = uint32_t{1} << 28;

  std::vector<uint32_t> layer_ids;
  uint32_t max_ngram = 0;       // orders 2 .. max_ngram are hashed
  uint32_t heads = 0;           // hash heads of one n-gram
  uint32_t values_per_row = 0;  // not used by the hash
  uint32_t prime_floor = 0;     // every hash head has a prime above this to itself
  uint32_t vocab_size = 0;      // compressed ids, as the token map gives them, are below this
  uint32_t pad_token_id = 0;    // before the map; stands for positions an n-gram does not reach
  // No n-gram reaches back to this token or past it.
  std::optional<uint32_t> segment_end_token_id;

  // The source of the multipliers: numpy's generator, or given as [layers][max_ngram]. One of them.
  std::optional<uint64_t> seed;
  std::vector<std::vector<uint64_t>> multipliers;

  uint32_t row_multiple = 1;            // a table's rows are padded to a multiple of this
  std::vector<uint64_t> expected_rows;  // [layers], or empty: not known

  uint32_t orders() const { return max_ngram - 1; }
};

// Returns OK or INVALID_ARGUMENT naming the field that is out of range or at odds with another.
absl::Status ValidateHashConfig(const HashConfig& config);

// Reads the text of a config.json. The multipliers may be missing, and the result then not valid
// yet; all else is checked as in ValidateHashConfig.
// Returns INVALID_ARGUMENT naming the key that is missing, of the wrong type or out of range.
absl::StatusOr<HashConfig> ParseHashConfig(absl::string_view json);

// Reads the file, as ParseHashConfig. Messages name the path. Besides INVALID_ARGUMENT: NOT_FOUND,
// PERMISSION_DENIED, or what else the system says of a file that cannot be read.
absl::StatusOr<HashConfig> LoadHashConfig(const std::string& path);

}  // namespace engram

#endif  // ENGRAM_CLIENT_HASH_HASH_CONFIG_H_
