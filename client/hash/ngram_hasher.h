// From tokens to table rows: the exact n-gram hash of Engram models.
//
//   auto config = engram::LoadHashConfig("model/config.json");
//   auto map = engram::LoadTokenMap("model/token_map.u32.zst");
//   auto hasher = engram::NgramHasher::Create(*config, *std::move(map));
//
//   engram::NgramHistory history = hasher->SegmentStart();     // one for each sequence
//   engram::NgramBatch batch;                                  // reused from step to step
//   for (each chunk of tokens, or each decoded token) {
//     batch.Clear();
//     hasher->Append(tokens, history, batch);                  // once for all layers
//     for (size_t layer = 0; layer < hasher->layers().size(); ++layer) {
//       row_ids.resize(batch.positions() * hasher->ids_per_position());
//       hasher->Hash(layer, batch, absl::MakeSpan(row_ids));
//     }
//   }
//
// A packed batch of several segments, or a decode step of many sequences, is one NgramBatch that
// each of them was appended to with a history of its own.
#ifndef ENGRAM_CLIENT_HASH_NGRAM_HASHER_H_
#define ENGRAM_CLIENT_HASH_NGRAM_HASHER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "client/hash/hash_config.h"
#include "client/hash/layer_hash.h"

namespace engram {

// Stands in the place of a token id at a dead position, such as an image's. N-grams neither begin
// there nor reach back to it or past it; the position still has rows, those of padding alone.
inline constexpr uint32_t kDeadToken = std::numeric_limits<uint32_t>::max();

// What a sequence's next n-grams reach back to: its last max_ngram - 1 positions. A small value:
// copy it to try out a speculative draft, and assign hasher.SegmentStart() to start anew.
class NgramHistory {
 private:
  friend class NgramHasher;
  NgramHistory() = default;
  // Compressed ids, the last position's first; from where n-grams do not reach on, all pads.
  std::array<uint32_t, HashConfig::kMaxNgram - 1> ids_{};
};

// Positions ready to be hashed by any layer of the hasher that filled it.
class NgramBatch {
 public:
  size_t positions() const { return positions_; }
  void Clear() { positions_ = 0; }

 private:
  friend class NgramHasher;
  size_t positions_ = 0;
  std::vector<uint32_t> windows_;  // [>= positions x max_ngram], each as NgramHistory's ids
};

// The hash of all Engram layers of one model. Immutable, so safe for concurrent use; histories and
// batches are one thread's at a time.
class NgramHasher {
 public:
  // token_map: [token ids], see client/hash/token_map.h.
  // Returns INVALID_ARGUMENT if the config is not valid (as DeriveLayerHashes), or the map has an
  // id that is not below config.vocab_size, or lacks config's pad token.
  static absl::StatusOr<NgramHasher> Create(const HashConfig& config,
                                            std::vector<uint32_t> token_map);

  // In the order of config.layer_ids; Hash's `layer` is an index into it.
  const std::vector<LayerHash>& layers() const { return layers_; }
  size_t heads() const { return heads_; }
  size_t max_ngram() const { return max_ngram_; }
  // Row ids of one position and layer: heads for each order, 2 .. max_ngram.
  size_t ids_per_position() const { return (max_ngram_ - 1) * heads_; }

  // The history of a sequence, or of a segment in it, before its first token.
  NgramHistory SegmentStart() const;

  // Adds the sequence's next positions to `batch`, and moves `history` on past them.
  //   tokens: token ids, before the map, or kDeadToken
  // Returns OUT_OF_RANGE naming the first token that the map lacks, and its index in `tokens`;
  // history and batch are then as before.
  absl::Status Append(absl::Span<const uint32_t> tokens, NgramHistory& history,
                      NgramBatch& batch) const;

  // Computes the rows that the batch's positions need from one layer's table.
  //   row_ids: out, [positions x ids_per_position()]: for each position and order, a group of
  //            `heads` ids
  // Returns INVALID_ARGUMENT if there is no such layer or row_ids has another size.
  absl::Status Hash(size_t layer, const NgramBatch& batch, absl::Span<uint32_t> row_ids) const;

 private:
  // A hash head's prime, ready for division by multiplication.
  struct Head {
    uint64_t reciprocal;  // (2^64 - 1) / prime
    uint32_t prime;
    uint32_t offset;
  };

  NgramHasher() = default;
  static uint32_t RowOf(uint64_t mixed, const Head& head);

  size_t max_ngram_ = 0;
  size_t heads_ = 0;
  uint32_t pad_ = 0;                         // compressed
  uint32_t segment_end_token_ = kDeadToken;  // kDeadToken: none
  std::vector<uint32_t> token_map_;
  std::vector<LayerHash> layers_;
  std::vector<std::vector<Head>> layer_heads_;  // [layers][orders x heads]
};

}  // namespace engram

#endif  // ENGRAM_CLIENT_HASH_NGRAM_HASHER_H_
