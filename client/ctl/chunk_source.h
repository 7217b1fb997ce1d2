// A trace cut into chunks, for several threads to take one after another.
#ifndef ENGRAM_CLIENT_CTL_CHUNK_SOURCE_H_
#define ENGRAM_CLIENT_CTL_CHUNK_SOURCE_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "client/hash/ngram_hasher.h"
#include "client/hash/trace.h"

namespace engram::ctl {

// Thread-safe. Keeps references to the hasher and the trace.
class ChunkSource {
 public:
  // passes: how often the whole trace is handed out
  ChunkSource(const NgramHasher& hasher, const TokenTrace& trace, size_t chunk_tokens,
              uint64_t passes)
      : hasher_(hasher),
        trace_(trace),
        chunk_tokens_(chunk_tokens),
        passes_left_(passes),
        history_(hasher.SegmentStart()) {}

  // Replaces the batch by the trace's next chunk_tokens positions, fewer at the end of a pass, none
  // after the last one. N-grams do not reach across a document's start.
  // Returns OUT_OF_RANGE naming a token that the token map lacks, and its place in the trace.
  absl::Status Next(NgramBatch& batch);

 private:
  const NgramHasher& hasher_;
  const TokenTrace& trace_;
  const size_t chunk_tokens_;

  absl::Mutex mutex_;
  uint64_t passes_left_ ABSL_GUARDED_BY(mutex_);
  size_t document_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t next_token_ ABSL_GUARDED_BY(mutex_) = 0;  // of the trace
  NgramHistory history_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_CHUNK_SOURCE_H_
