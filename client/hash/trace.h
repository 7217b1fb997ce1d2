// Token traces: real text as token ids, for replays and benchmarks.
#ifndef ENGRAM_CLIENT_HASH_TRACE_H_
#define ENGRAM_CLIENT_HASH_TRACE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace engram {

// Documents one after another. N-grams do not reach across a document's start.
struct TokenTrace {
  std::vector<uint32_t> tokens;
  std::vector<size_t> document_ends;  // rising; the last is tokens.size()

  size_t documents() const { return document_ends.size(); }
  absl::Span<const uint32_t> document(size_t index) const {
    const size_t begin = index == 0 ? 0 : document_ends[index - 1];
    return absl::MakeConstSpan(tokens).subspan(begin, document_ends[index] - begin);
  }
};

// Reads a trace: little-endian 32-bit token ids in a ".u32" or ".u32.zst" file.
//   docs_path: a text file with the token count of each document, one a line, in order; if empty,
//              the trace is one document
// Returns what ReadU32File does, and INVALID_ARGUMENT if there are no tokens, a line is no count,
// or the counts do not sum up to the trace's tokens. Messages name the path, and the line.
absl::StatusOr<TokenTrace> ReadTrace(const std::string& path, const std::string& docs_path = "");

}  // namespace engram

#endif  // ENGRAM_CLIENT_HASH_TRACE_H_
