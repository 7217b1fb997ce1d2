// What the sequences of a batch read: real text, each its own part of a trace.
#ifndef ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_TEXT_H_
#define ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_TEXT_H_

#include <cstddef>
#include <limits>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/hash/ngram_hasher.h"
#include "client/hash/trace.h"

namespace engram::gpu_worker {

// Which part of a trace to read.
struct TextRange {
  size_t skip = 0;                                    // tokens at its beginning to leave out
  size_t limit = std::numeric_limits<size_t>::max();  // tokens behind those to read at most
};

// A place in the text of all sequences. A small value: a copy reads the same text once more.
class Text {
 public:
  // Splits the range into parts of the same length.
  //   steps: tokens that each sequence will read
  // The hasher and the trace must outlive it and its copies.
  // Returns INVALID_ARGUMENT if the range has too few tokens.
  static absl::StatusOr<Text> Create(const NgramHasher& hasher, const TokenTrace& trace,
                                     size_t sequences, const TextRange& range, size_t steps);

  // Puts the next token of each sequence into `batch`, in place of what was there. N-grams reach
  // back to the sequence's earlier tokens, not across a document's start.
  // Returns OUT_OF_RANGE if the token map lacks a token.
  absl::Status Next(NgramBatch& batch);

 private:
  struct Sequence {
    size_t position;
    NgramHistory history;
  };

  Text(const NgramHasher& hasher, const TokenTrace& trace);

  const NgramHasher* hasher_;
  const TokenTrace* trace_;
  std::shared_ptr<const std::vector<bool>> starts_;  // [tokens], whether a document starts there
  std::vector<Sequence> sequences_;
};

}  // namespace engram::gpu_worker

#endif  // ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_TEXT_H_
