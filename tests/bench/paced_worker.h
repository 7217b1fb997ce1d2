// The loop of a serving engine, with waits in the place of computing.
#ifndef ENGRAM_TESTS_BENCH_PACED_WORKER_H_
#define ENGRAM_TESTS_BENCH_PACED_WORKER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <random>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/engram_client.h"
#include "client/hash/ngram_hasher.h"
#include "client/hash/trace.h"

namespace engram::bench {

// From `least` to `most`, both included.
struct TokenRange {
  uint32_t least;
  uint32_t most;
};

struct WorkerPlan {
  uint32_t sequences = 4;                        // side by side
  TokenRange prompt_tokens = {32, 32};           // of each, read in chunks
  TokenRange output_tokens = {128, 128};         // of each, one a step
  uint32_t step_tokens = 512;                    // most of one step, of all sequences
  absl::Duration step = absl::Milliseconds(10);  // what a step computes
  uint32_t layers = 40;                          // in equal parts of it
  bool partial = false;  // where a layer begins, do without the rows that are not there
  // Each sequence that decodes announces its token so many steps ahead, as drafts of which this
  // part is right; and what one needs first that waits for its turn is announced a step ahead. 0:
  // nothing is.
  uint32_t lookahead = 0;
  double draft_accuracy = 1;

  // From the start of a step until a layer begins.
  absl::Duration WindowOf(uint32_t layer) const { return step * layer / layers; }
};

// How one step's fetch of one Engram layer went.
struct PacedFetch {
  double stall_us = 0;  // how late its rows were; 0 where they were there when the layer began
  uint32_t groups = 0;
  uint32_t warm = 0;  // of the groups, from the warm tier
  uint32_t cold = 0;  // and from the cold one
  uint32_t absent = 0;
};

// What a stretch of steps came to.
struct PacedRun {
  absl::Duration time;
  uint64_t tokens = 0;
  std::vector<std::vector<PacedFetch>> fetches = {};  // [layers][steps]; empty without fetches
};

// Sequences of real text, from all over the part that WarmUp has not come to, so that they do not
// depend on what a few documents are about. Their lengths are spread evenly over the plan's ranges,
// and those with long prompts have long outputs. Prompts are taken in chunks, then follows token by
// token as if each was sampled from the last step; another sequence takes the place of one that
// ends. What a step's layers need is asked for when its tokens are known, at its start, for all
// Engram layers together. Then the thread waits for one layer's rows after the other, as one that
// will copy them to a GPU does, though it copies none; a layer whose rows are late begins when they
// come. One thread.
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

  // So many sequences side by side from now on, of which there are none at first.
  void SetSequences(uint32_t sequences);

  // Runs so many steps, from where the last call ended.
  //   sources: one for each of the hasher's layers; or none, and nothing is fetched
  // Returns the first error of a fetch.
  absl::StatusOr<PacedRun> Run(absl::Span<const Source> sources, int steps);

  // Fetches so many tokens of the trace, from its start or where the last call ended, a step's most
  // at a time and as fast as it can, so that a daemon is warm. At the trace's end it begins anew.
  absl::Status WarmUp(absl::Span<const Source> sources, uint64_t tokens);

 private:
  struct Sequence {
    absl::Span<const uint32_t> before;  // what n-grams of the first tokens reach back to
    absl::Span<const uint32_t> text;    // what is left of it
    uint32_t prompt_left = 0;
    NgramHistory history;
  };

  // A document's tokens in the trace.
  struct Document {
    size_t begin;
    size_t end;
  };

  Sequence NextSequence();
  Document DocumentAt(size_t token) const;
  // Lists the tokens of a step in batch_; returns how many.
  absl::StatusOr<uint32_t> PlanStep();
  absl::StatusOr<uint32_t> TakeTokens(Sequence* sequence, uint32_t most);
  absl::Status Step(absl::Span<const Source> sources, PacedRun* run);
  absl::Status Submit(size_t layer, const Source& source, absl::Time needed_at);
  absl::Status Collect(size_t layer);
  // Announces the drafts of `ahead` steps after the step, and, if that is `lookahead`, the prompts
  // of the next one: `sequences_` stand after its tokens.
  absl::Status Announce(absl::Span<const Source> sources, uint32_t ahead);
  absl::Status AddDraft(const Sequence& sequence, uint32_t ahead);
  absl::Status AddPrompt(const Sequence& sequence);
  // What a text needs from its token number `from` on.
  absl::Status AddToHints(absl::Span<const uint32_t> text, NgramHistory history, size_t from);
  PacedFetch FetchOf(size_t layer, absl::Duration stall) const;

  const NgramHasher& hasher_;
  const TokenTrace& trace_;
  const WorkerPlan plan_;
  size_t warm_ = 0;  // tokens of the trace that WarmUp has come to
  NgramHistory warm_history_;
  uint32_t begun_ = 0;  // sequences
  std::vector<Sequence> sequences_;
  std::deque<Sequence> waiting_;  // whose prompts were announced
  NgramBatch batch_;
  NgramBatch drafts_;
  std::mt19937 random_;
  NgramBatch unused_;
  std::vector<uint32_t> row_ids_;
  std::vector<std::vector<uint32_t>> hints_;  // [layers]: row ids to be announced
  // [layers]: of the step under way
  std::vector<std::vector<Ticket>> tickets_;
  std::vector<std::vector<Tier>> tiers_;  // [layers][groups]
};

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_PACED_WORKER_H_
