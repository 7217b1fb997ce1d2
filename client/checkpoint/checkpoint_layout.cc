#include "client/checkpoint/checkpoint_layout.h"

#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/hash/hash_config.h"
#include "client/hash/layer_hash.h"

namespace engram {
namespace {

using Json = nlohmann::ordered_json;

// A tensor whose bytes are those of `values`.
template <typename T>
TensorPlan SmallTensor(std::string name, std::string dtype, const std::vector<T>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return {.name = std::move(name),
          .dtype = std::move(dtype),
          .shape = {values.size()},
          .row_bytes = sizeof(T),
          .fill = [bytes = std::move(bytes)](uint64_t first_row, absl::Span<std::byte> rows) {
            std::memcpy(rows.data(), bytes.data() + first_row * sizeof(T), rows.size());
          }};
}

// `count` rows of a table from first_row on, of which the tensor holds `width` bytes from
// first_byte on.
TensorPlan Plane(std::string name, std::string dtype, const SelfDescribingKey& key,
                 uint64_t first_row, uint64_t count, uint32_t first_byte, uint32_t width) {
  return {.name = std::move(name),
          .dtype = std::move(dtype),
          .shape = {count, width},
          .row_bytes = width,
          .fill = [=](uint64_t row, absl::Span<std::byte> rows) {
            FillSelfDescribingPlane(key, static_cast<uint32_t>(first_row + row), first_byte, width,
                                    rows);
          }};
}

// Something that is no part of a table, as real checkpoints are full of.
TensorPlan UnrelatedTensor(std::string name) {
  constexpr uint16_t kBf16One = 0x3F80;
  return SmallTensor(std::move(name), "BF16", std::vector<uint16_t>(64, kBf16One));
}

absl::StatusOr<std::vector<LayerHash>> HashesOf(const Json& config) {
  absl::StatusOr<HashConfig> parsed = ParseHashConfig(config.dump());
  if (!parsed.ok()) return parsed.status();
  return DeriveLayerHashes(*parsed);
}

absl::StatusOr<CheckpointLayout> PlanDeepSeek(const CheckpointOptions& options) {
  constexpr uint32_t kValues = 256;
  constexpr uint32_t kScales = 8;
  Json config = {{"text_config",
                  {{"engram_layer_ids", {1, 14}},
                   {"engram_max_ngram_size", 4},
                   {"engram_vocab_size", options.vocab_size ? options.vocab_size : 16'000'000},
                   {"engram_n_heads", 8},
                   {"engram_head_dim", kValues},
                   {"engram_pad_token_id", 2},
                   {"engram_compressed_vocab_size",
                    options.token_vocab_size ? options.token_vocab_size : 99'092}}}};
  absl::StatusOr<std::vector<LayerHash>> hashes = HashesOf(config);
  if (!hashes.ok()) return hashes.status();

  CheckpointLayout layout;
  layout.tensors.push_back(UnrelatedTensor("norm.weight"));
  Json& row_counts = config["text_config"]["engram_num_embeddings"];
  for (const LayerHash& hash : *hashes) {
    const SelfDescribingKey key{.layer = hash.layer_id, .seed = options.seed};
    const std::string prefix = absl::StrCat("layers.", hash.layer_id, ".engram.embed.");
    layout.tables.push_back({.key = key, .rows = hash.rows, .row_bytes = kValues + kScales});
    layout.tensors.push_back(Plane(prefix + "weight", "F8_E4M3", key, 0, hash.rows, 0, kValues));
    layout.tensors.push_back(
        Plane(prefix + "scale", "F8_E8M0", key, 0, hash.rows, kValues, kScales));
    row_counts.push_back(hash.rows);
  }
  layout.config = config.dump(2) + "\n";
  return layout;
}

absl::StatusOr<CheckpointLayout> PlanQwen(const CheckpointOptions& options) {
  constexpr uint32_t kValues = 160;
  constexpr uint32_t kParts = 128;
  constexpr uint32_t kLayer = 2;
  constexpr uint16_t kBf16Scale = 0x3C80;  // 2^-6
  const Json multipliers = {23703573157769, 20109073645365, 8052911324071};
  const Json config = {
      {"text_config",
       {{"ple_layer_ids", {kLayer}},
        {"ple_embed_dim", 16 * kValues},
        {"ngram_size", 3},
        {"heads_per_ngram", 8},
        {"ngram_vocab_size_base", options.vocab_size ? options.vocab_size : 20'000'000},
        {"make_ngram_vocab_size_divisible_by", kParts},
        {"split_ngram_parts", kParts},
        {"vocab_size", options.token_vocab_size ? options.token_vocab_size : 248'320},
        {"eos_token_id", options.token_vocab_size ? options.token_vocab_size - 1 : 248'044},
        {"ple_layer_multipliers", Json::array({multipliers})}}}};
  absl::StatusOr<std::vector<LayerHash>> hashes = HashesOf(config);
  if (!hashes.ok()) return hashes.status();

  const LayerHash& hash = hashes->front();
  const SelfDescribingKey key{.layer = kLayer, .seed = options.seed};
  const std::string prefix =
      absl::StrCat("model.language_model.layers.", kLayer - 1, ".ple.ple_embedding.");
  CheckpointLayout layout;
  layout.tables.push_back({.key = key, .rows = hash.rows, .row_bytes = kValues});
  layout.tensors.push_back(UnrelatedTensor("model.language_model.layers.0.input_layernorm.weight"));
  layout.tensors.push_back(SmallTensor(prefix + "layer_multipliers", "I64", hash.multipliers));
  using Int64s = std::vector<uint64_t>;
  layout.tensors.push_back(SmallTensor(prefix + "ngram_heads_vocab_sizes", "I64",
                                       Int64s(hash.primes.begin(), hash.primes.end())));
  layout.tensors.push_back(SmallTensor(prefix + "ngram_heads_offsets", "I64",
                                       Int64s(hash.offsets.begin(), hash.offsets.end())));
  layout.tensors.push_back(
      SmallTensor<uint16_t>(prefix + "ngram_embedding.weight_scale", "BF16", {kBf16Scale}));
  const uint64_t part_rows = hash.rows / kParts;
  for (uint64_t part = 0; part < kParts; ++part) {
    layout.tensors.push_back(Plane(absl::StrCat(prefix, "ngram_embedding.shard_", part, ".weight"),
                                   "F8_E4M3", key, part * part_rows, part_rows, 0, kValues));
  }
  layout.config = config.dump(2) + "\n";
  return layout;
}

}  // namespace

absl::StatusOr<CheckpointLayout> PlanCheckpoint(const CheckpointOptions& options) {
  switch (options.geometry) {
    case CheckpointGeometry::kDeepSeekV41:
      return PlanDeepSeek(options);
    case CheckpointGeometry::kQwenPle:
      return PlanQwen(options);
  }
  return absl::InvalidArgumentError("unknown checkpoint geometry");
}

}  // namespace engram
