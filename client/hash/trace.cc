#include "client/hash/trace.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "client/hash/file_reader.h"
#include "client/hash/u32_file.h"

namespace engram {
namespace {

absl::StatusOr<std::vector<size_t>> ReadDocumentEnds(const std::string& path, size_t tokens) {
  absl::StatusOr<std::string> text = ReadWhole(path);
  if (!text.ok()) {
    return text.status();
  }
  std::vector<size_t> ends;
  size_t end = 0;
  for (absl::string_view line : absl::StrSplit(absl::StripSuffix(*text, "\n"), '\n')) {
    uint64_t count = 0;
    if (!absl::SimpleAtoi(line, &count)) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":", ends.size() + 1, ": \"", line, "\" is no token count"));
    }
    if (count > tokens - end) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ":", ends.size() + 1, ": the documents' tokens exceed the trace's ", tokens));
    }
    end += count;
    ends.push_back(end);
  }
  if (end != tokens) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": the documents have ", end,
                                                   " tokens together, but the trace has ", tokens));
  }
  return ends;
}

}  // namespace

absl::StatusOr<TokenTrace> ReadTrace(const std::string& path, const std::string& docs_path) {
  absl::StatusOr<std::vector<uint32_t>> tokens = ReadU32File(path);
  if (!tokens.ok()) {
    return tokens.status();
  }
  if (tokens->empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, " holds no tokens"));
  }
  TokenTrace trace;
  trace.tokens = *std::move(tokens);
  if (docs_path.empty()) {
    trace.document_ends = {trace.tokens.size()};
    return trace;
  }
  absl::StatusOr<std::vector<size_t>> ends = ReadDocumentEnds(docs_path, trace.tokens.size());
  if (!ends.ok()) {
    return ends.status();
  }
  trace.document_ends = *std::move(ends);
  return trace;
}

}  // namespace engram
