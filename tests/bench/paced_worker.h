// The loop of a serving engine, with waits in the place of computing.
#ifndef ENGRAM_TESTS_BENCH_PACED_WORKER_H_
#define ENGRAM_TESTS_BENCH_PACED_WORKER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/engram_client.h"
#include "client/hash/ngram_hasher.h"
#include "client/hash/trace.h"

namespace engram::bench {

struct WorkerPlan {
  uint32_t sequences = 4;                        // side by side
  uint32_t prompt_tokens = 32;                   // of each, read in chunks
  uint32_t output_tokens = 128;                  // of each, one a step
  uint32_t step_tokens = 512;                    // most of one step, of all sequences
  absl::Duration step = absl::Milliseconds(10);  // what a step computes
  uint32_t layers = 40;                          // in equal parts of it
};

// What a stretch of steps came to.
struct PacedRun {
  absl::Duration time;
  uint64_t tokens = 0;
  std::vector<double> stall_us = {};  // of each step and Engram layer: waited for its rows
  uint64_t late = 0;                  // of these, those that waited at all
};

// Sequences of real text: prompts in chunks, then token by token as if each was sampled from the
// last step; a sequence that ends makes room for the next piece of text. What a step's layers need
// is asked for when its tokens are known, at its start, for all Engram layers together, and
// collected where the layer begins. One thread.
class PacedWorker {
 public:
  // Where the rows of one Engram layer come from, and go to.
  struct Source {
    Table* table = nullptr;
    absl::Span<std::byte> rows{};  // [RowsOfAStep() x row_bytes]
  };

  // hasher and trace outlive it
  PacedWorker(const NgramHasher& hasher, const TokenTrace& trace, const WorkerPlan& plan);

  // Most rows that a step needs of a layer.
  size_t RowsOfAStep() const { return plan_.step_tokens * hasher_.ids_per_position(); }

  // So many sequences side by side from now on; those that are added begin with the next text.
  void SetSequences(uint32_t sequences);

  // Runs so many steps, from where the last call ended.
  //   sources: one for each of the hasher's layers; or none, and nothing is hashed or fetched
  // Returns the first error of a fetch.
  absl::StatusOr<PacedRun> Run(absl::Span<const Source> sources, int steps);

  // Fetches so many tokens of the trace from there on, as fast as it can, so that a daemon is warm.
  absl::Status WarmUp(absl::Span<const Source> sources, uint64_t tokens);

 private:
  struct Sequence {
    absl::Span<const uint32_t> text;  // what is left of it
    uint32_t prompt_left = 0;
    NgramHistory history;
  };

  Sequence NextSequence();
  absl::Span<const uint32_t> NextText(size_t most);
  // Lists the tokens of a step in batch_; returns how many.
  absl::StatusOr<uint32_t> PlanStep(bool hash);
  absl::StatusOr<uint32_t> TakeTokens(Sequence* sequence, uint32_t most, bool hash);
  absl::Status Step(absl::Span<const Source> sources, PacedRun* run);
  absl::Status Submit(size_t layer, const Source& source, absl::Time needed_at);
  absl::Status Collect(size_t layer);

  const NgramHasher& hasher_;
  const TokenTrace& trace_;
  const WorkerPlan plan_;
  size_t document_ = 0;  // the next piece of text begins there
  size_t document_place_ = 0;
  std::vector<Sequence> sequences_;
  NgramBatch batch_;
  std::vector<uint32_t> row_ids_;
  std::vector<std::vector<Ticket>> tickets_;  // [layers]: of the step under way
};

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_PACED_WORKER_H_
