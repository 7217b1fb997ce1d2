// Plain prefetching gathers: what memory allows, against which lookups are measured.
#ifndef ENGRAM_TESTS_BENCH_GATHER_LOOPS_H_
#define ENGRAM_TESTS_BENCH_GATHER_LOOPS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace engram::bench {

// A gather: items of `bytes` bytes, at `items` in `table`, side by side to `out`.
using GatherLoop = void (*)(const std::byte* table, absl::Span<const uint32_t> items, size_t bytes,
                            size_t ahead, std::byte* out);

struct GatherVariant {
  std::string name;
  GatherLoop loop;
  size_t ahead;  // items
};

// Loops and distances of which one is the fastest on this machine.
std::vector<GatherVariant> GatherVariants(size_t item_bytes);

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_GATHER_LOOPS_H_
