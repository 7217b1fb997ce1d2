#include "client/hash/ngram_hasher.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace engram {
namespace {

absl::Status CheckTokenMap(const HashConfig& config, const std::vector<uint32_t>& map) {
  for (size_t token = 0; token < map.size(); ++token) {
    if (map[token] >= config.vocab_size) {
      return absl::InvalidArgumentError(absl::StrCat("the token map gives token ", token,
                                                     " the compressed id ", map[token],
                                                     ": ids must be below ", config.vocab_size));
    }
  }
  if (config.pad_token_id >= map.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the token map has ", map.size(), " tokens and lacks the pad token ", config.pad_token_id));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<NgramHasher> NgramHasher::Create(const HashConfig& config,
                                                std::vector<uint32_t> token_map) {
  absl::StatusOr<std::vector<LayerHash>> layers = DeriveLayerHashes(config);
  if (!layers.ok()) {
    return layers.status();
  }
  if (absl::Status status = CheckTokenMap(config, token_map); !status.ok()) {
    return status;
  }
  NgramHasher hasher;
  hasher.max_ngram_ = config.max_ngram;
  hasher.heads_ = config.heads;
  hasher.pad_ = token_map[config.pad_token_id];
  hasher.segment_end_token_ = config.segment_end_token_id.value_or(kDeadToken);
  hasher.token_map_ = std::move(token_map);
  hasher.layers_ = *std::move(layers);
  for (const LayerHash& layer : hasher.layers_) {
    std::vector<Head>& heads = hasher.layer_heads_.emplace_back();
    for (size_t i = 0; i < layer.primes.size(); ++i) {
      const uint64_t reciprocal = std::numeric_limits<uint64_t>::max() / layer.primes[i];
      heads.push_back({reciprocal, layer.primes[i], layer.offsets[i]});
    }
  }
  return hasher;
}

NgramHistory NgramHasher::SegmentStart() const {
  NgramHistory history;
  history.ids_.fill(pad_);
  return history;
}

absl::Status NgramHasher::Append(absl::Span<const uint32_t> tokens, NgramHistory& history,
                                 NgramBatch& batch) const {
  const size_t end = batch.positions_ + tokens.size();
  if (batch.windows_.size() < end * max_ngram_) {
    batch.windows_.resize(end * max_ngram_);
  }
  const NgramHistory start = SegmentStart();
  const uint32_t* before = history.ids_.data();
  uint32_t* window = batch.windows_.data() + batch.positions_ * max_ngram_;
  for (size_t i = 0; i < tokens.size(); ++i, window += max_ngram_) {
    const uint32_t token = tokens[i];
    if (token < token_map_.size()) {
      window[0] = token_map_[token];
      std::copy_n(before, max_ngram_ - 1, window + 1);
      before = token == segment_end_token_ ? start.ids_.data() : window;
    } else if (token == kDeadToken) {
      std::fill_n(window, max_ngram_, pad_);
      before = window;
    } else {
      return absl::OutOfRangeError(absl::StrCat("token ", token, " at index ", i,
                                                " is not in the token map, which has ",
                                                token_map_.size(), " tokens"));
    }
  }
  std::array<uint32_t, HashConfig::kMaxNgram - 1> last = start.ids_;
  std::copy_n(before, max_ngram_ - 1, last.begin());
  history.ids_ = last;
  batch.positions_ = end;
  return absl::OkStatus();
}

// mixed mod prime, by a quotient that is exact or one too small: with a reciprocal at most 1 too
// small, the product with `mixed` / 2^64 is less than 1 too small before it is rounded down.
inline uint32_t NgramHasher::RowOf(uint64_t mixed, const Head& head) {
  const auto product = static_cast<unsigned __int128>(mixed) * head.reciprocal;
  const uint64_t quotient = static_cast<uint64_t>(product >> 64);
  const uint64_t remainder = mixed - quotient * head.prime;  // below 2 primes
  const uint64_t row = remainder < head.prime ? remainder : remainder - head.prime;
  return static_cast<uint32_t>(row) + head.offset;
}

absl::Status NgramHasher::Hash(size_t layer, const NgramBatch& batch,
                               absl::Span<uint32_t> row_ids) const {
  if (layer >= layers_.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no layer at index ", layer, ": the model has ", layers_.size()));
  }
  if (row_ids.size() != batch.positions_ * ids_per_position()) {
    return absl::InvalidArgumentError(
        absl::StrCat("room for ", row_ids.size(), " row ids was given: ", batch.positions_,
                     " positions have ", batch.positions_ * ids_per_position()));
  }
  const uint64_t* multipliers = layers_[layer].multipliers.data();
  const uint32_t* window = batch.windows_.data();
  uint32_t* out = row_ids.data();
  for (size_t position = 0; position < batch.positions_; ++position, window += max_ngram_) {
    const Head* head = layer_heads_[layer].data();
    uint64_t mixed = window[0] * multipliers[0];
    for (size_t back = 1; back < max_ngram_; ++back) {
      mixed ^= window[back] * multipliers[back];
      for (size_t h = 0; h < heads_; ++h, ++head) {
        *out++ = RowOf(mixed, *head);
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace engram
