#include "client/ctl/load_trace.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/ctl/exit_code.h"
#include "client/ctl/option_checks.h"

namespace engram::ctl {
namespace {

// Keeps the tokens from `begin` to before `end`.
void Cut(size_t begin, size_t end, TokenTrace* trace) {
  auto& tokens = trace->tokens;
  tokens.resize(end);
  tokens.erase(tokens.begin(), tokens.begin() + static_cast<ptrdiff_t>(begin));
  std::vector<size_t> ends;
  for (const size_t document_end : trace->document_ends) {
    if (document_end > begin && document_end < end) ends.push_back(document_end - begin);
  }
  ends.push_back(tokens.size());
  trace->document_ends = std::move(ends);
}

}  // namespace

void AddTraceOptions(CLI::App& app, TraceOptions& options) {
  app.add_option("--docs", options.docs,
                 "Token counts of the trace's documents, one a line; default: one document")
      ->type_name("FILE");
  app.add_option("--skip", options.skip, "Leave out so many tokens at the trace's start")
      ->check(WholeNumber())
      ->type_name("TOKENS");
  app.add_option("--limit", options.limit, "Stop after this many tokens of the trace")
      ->check(AboveZero())
      ->type_name("TOKENS");
}

absl::StatusOr<TokenTrace> LoadTrace(const TraceOptions& options) {
  absl::StatusOr<TokenTrace> trace = ReadTrace(options.path, options.docs);
  if (!trace.ok()) return AsInputError(trace.status());
  const size_t tokens = trace->tokens.size();
  if (options.skip >= tokens) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.path, " has ", tokens, " tokens, of which --skip leaves none"));
  }
  const size_t left = tokens - options.skip;
  const size_t count = options.limit == 0 ? left : std::min(left, options.limit);
  if (count < tokens) Cut(options.skip, options.skip + count, &*trace);
  return trace;
}

}  // namespace engram::ctl
