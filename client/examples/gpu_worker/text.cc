#include "client/examples/gpu_worker/text.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

namespace engram::gpu_worker {

absl::StatusOr<Text> Text::Create(const NgramHasher& hasher, const TokenTrace& trace,
                                  size_t sequences, const TextRange& range, size_t steps) {
  const size_t skip = std::min(range.skip, trace.tokens.size());
  const size_t tokens = std::min(range.limit, trace.tokens.size() - skip);
  const size_t length = tokens / sequences;
  if (length < steps) {
    return absl::InvalidArgumentError(
        absl::StrCat("there are ", tokens, " tokens to read, but ", sequences, " sequences of ",
                     steps, " steps in all rounds need ", sequences * steps));
  }
  Text text(hasher, trace);
  for (size_t i = 0; i < sequences; ++i) {
    text.sequences_.push_back({.position = skip + i * length, .history = hasher.SegmentStart()});
  }
  return text;
}

Text::Text(const NgramHasher& hasher, const TokenTrace& trace) : hasher_(&hasher), trace_(&trace) {
  std::vector<bool> starts(trace.tokens.size() + 1);
  for (const size_t end : trace.document_ends) starts[end] = true;
  starts_ = std::make_shared<const std::vector<bool>>(std::move(starts));
}

absl::Status Text::Next(NgramBatch& batch) {
  batch.Clear();
  for (Sequence& sequence : sequences_) {
    if ((*starts_)[sequence.position]) sequence.history = hasher_->SegmentStart();
    const auto token = absl::MakeConstSpan(trace_->tokens).subspan(sequence.position, 1);
    if (absl::Status status = hasher_->Append(token, sequence.history, batch); !status.ok()) {
      return status;
    }
    ++sequence.position;
  }
  return absl::OkStatus();
}

}  // namespace engram::gpu_worker
