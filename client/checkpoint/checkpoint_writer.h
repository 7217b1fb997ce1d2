// Writes checkpoints with the tensor names, shards, index and config of published Engram models, at
// any scale, with self-describing rows (self_describing.h): for tests and demos.
//
//   CheckpointOptions options{.directory = "/tmp/v41", .vocab_size = 160'000};
//   absl::StatusOr<CheckpointSummary> made = MakeCheckpoint(options);
//
// The directory then holds config.json, model.safetensors.index.json and the shards
// model-00001-of-0000n.safetensors. The tables' row counts come from the same search for primes as
// the hash's, so that config, hash and tables agree.
#ifndef ENGRAM_CLIENT_CHECKPOINT_CHECKPOINT_WRITER_H_
#define ENGRAM_CLIENT_CHECKPOINT_CHECKPOINT_WRITER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/checkpoint/self_describing.h"

namespace engram {

enum class CheckpointGeometry {
  // DeepSeek-V4.1-Flash: layers 1 and 14, orders 2 to 4 of 8 heads. Rows of 256 FP8 values in
  //   layers.<L>.engram.embed.weight  F8_E4M3 [rows, 256]
  //   layers.<L>.engram.embed.scale   F8_E8M0 [rows, 8]
  // A packed row is the 256 bytes of the one and then the 8 bytes of the other.
  kDeepSeekV41,
  // Qwen3.8-Flash-Next: layer 2, orders 2 and 3 of 8 heads. Rows of 160 FP8 values, cut into 128
  // tensors of equal size, and one scale for all of them, with a prefix that counts layers from 0:
  //   model.language_model.layers.1.ple.ple_embedding.
  //     ngram_embedding.shard_<K>.weight  F8_E4M3 [rows / 128, 160]
  //     ngram_embedding.weight_scale      BF16 [1]
  //     layer_multipliers                 I64 [3]
  //     ngram_heads_vocab_sizes           I64 [16]
  //     ngram_heads_offsets               I64 [16]
  kQwenPle,
};

struct CheckpointOptions {
  // Created if absent. Must not hold a checkpoint.
  std::string directory;
  CheckpointGeometry geometry = CheckpointGeometry::kDeepSeekV41;
  // Where the search for the hash heads' primes starts: engram_vocab_size or ngram_vocab_size_base.
  // A table has about this many rows a head, 24 or 16 heads. 0: the model's own (16,000,000 or
  // 20,000,000).
  uint32_t vocab_size = 0;
  // Token ids that are hashed lie below this: engram_compressed_vocab_size of DeepSeek's config,
  // vocab_size of Qwen's. 0: the model's own (99,092 or 248,320).
  uint32_t token_vocab_size = 0;
  // Tells the rows of two checkpoints of the same shape apart.
  uint32_t seed = 0;
  // A shard is closed before it would hold more bytes of tensors than this; a larger tensor has a
  // shard to itself.
  uint64_t max_shard_bytes = uint64_t{5} << 30;
  // Called after each few MiB by the calling thread; returning false cancels. May be empty.
  std::function<bool(uint64_t bytes_done, uint64_t bytes_total)> progress = nullptr;
};

struct CheckpointTable {
  SelfDescribingKey key;  // what FillSelfDescribingRow makes the packed rows from
  uint64_t rows = 0;
  uint32_t row_bytes = 0;  // of a packed row, its scales included
};

struct CheckpointSummary {
  std::vector<CheckpointTable> tables;
  uint32_t shards = 0;
  uint64_t tensor_bytes = 0;
};

// Writes a checkpoint, with a few MiB of memory whatever its size; its files are not synced. The
// index is written last. After an error no file of the checkpoint is left.
// Returns:
//   INVALID_ARGUMENT    an option is out of range, or a table would have more than 2^32 - 1 rows
//   ALREADY_EXISTS      the directory holds a checkpoint
//   NOT_FOUND, PERMISSION_DENIED  the directory or a file cannot be created
//   RESOURCE_EXHAUSTED  the disk is full
//   CANCELLED           `progress` returned false
//   UNAVAILABLE         any other error of the file system
absl::StatusOr<CheckpointSummary> MakeCheckpoint(const CheckpointOptions& options);

}  // namespace engram

#endif  // ENGRAM_CLIENT_CHECKPOINT_CHECKPOINT_WRITER_H_
