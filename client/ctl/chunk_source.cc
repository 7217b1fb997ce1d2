#include "client/ctl/chunk_source.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

namespace engram::ctl {

absl::Status ChunkSource::Next(NgramBatch& batch) {
  batch.Clear();
  absl::MutexLock lock(&mutex_);
  if (next_token_ == trace_.tokens.size() && passes_left_ > 0) {
    --passes_left_;
    document_ = 0;
    next_token_ = 0;
    history_ = hasher_.SegmentStart();
  }
  while (passes_left_ > 0 && batch.positions() < chunk_tokens_ &&
         next_token_ < trace_.tokens.size()) {
    const size_t document_end = trace_.document_ends[document_];
    const size_t count = std::min(chunk_tokens_ - batch.positions(), document_end - next_token_);
    const auto tokens = absl::MakeConstSpan(trace_.tokens).subspan(next_token_, count);
    if (absl::Status status = hasher_.Append(tokens, history_, batch); !status.ok()) {
      return absl::Status(status.code(), absl::StrCat("in the trace, from token ", next_token_,
                                                      " on: ", status.message()));
    }
    next_token_ += count;
    if (next_token_ == document_end) {
      ++document_;
      history_ = hasher_.SegmentStart();
    }
  }
  return absl::OkStatus();
}

}  // namespace engram::ctl
