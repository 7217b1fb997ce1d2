// What a cache could do that knows all of a trace beforehand.
#ifndef ENGRAM_TESTS_BENCH_BELADY_H_
#define ENGRAM_TESTS_BENCH_BELADY_H_

#include <cstdint>

#include "absl/types/span.h"

namespace engram::bench {

// For both:
//   accesses  numbers of groups, below `groups`; fewer than 2^32 - 1
//   slots     groups held at a time, at least 1

// The most hits that any cache can have which holds a group only from a use of it on: Belady's MIN,
// where a group that is used need not be held.
//   known: groups that it may hold from the start, as if they had been used before
uint64_t BeladyHits(absl::Span<const uint32_t> accesses, uint32_t groups, uint32_t slots,
                    absl::Span<const uint32_t> known);

// Hits of a cache that holds the groups used most often, from the start to the end.
uint64_t StaticHits(absl::Span<const uint32_t> accesses, uint32_t groups, uint32_t slots);

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_BELADY_H_
