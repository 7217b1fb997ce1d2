// The options of commands that work through a trace.
#ifndef ENGRAM_CLIENT_CTL_LOAD_TRACE_H_
#define ENGRAM_CLIENT_CTL_LOAD_TRACE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "client/hash/trace.h"

namespace CLI {
class App;
}

namespace engram::ctl {

struct TraceOptions {
  std::string path;
  std::string docs;
  size_t skip = 0;   // tokens
  size_t limit = 0;  // tokens after those; 0: all
};

// Adds all options but the path.
void AddTraceOptions(CLI::App& app, TraceOptions& options);

// The part of the trace that the options select.
//   as ReadTrace, but DATA_LOSS is INVALID_ARGUMENT; and that if nothing is left of it
absl::StatusOr<TokenTrace> LoadTrace(const TraceOptions& options);

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_LOAD_TRACE_H_
