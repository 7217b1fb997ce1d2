// The gather loop's inner step.
#ifndef ENGRAM_STORAGE_RAM_ROW_COPY_H_
#define ENGRAM_STORAGE_RAM_ROW_COPY_H_

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace engram::storage {

inline constexpr size_t kCacheLineBytes = 64;

// How many items of a gather to prefetch ahead of the one being copied; at least 1. About 3 KiB:
// enough to keep the memory busy over its latency, little enough for the first-level cache.
inline size_t ItemsAhead(size_t item_bytes) {
  constexpr size_t kBytesAhead = 3072;
  return std::max<size_t>(1, (kBytesAhead + item_bytes / 2) / item_bytes);
}

inline void PrefetchLine(const std::byte* address) { __builtin_prefetch(address, 0, 3); }

// Half a cache line. A vector, because compilers copy arrays of bytes by 16.
using HalfLine __attribute__((vector_size(32))) = long long;

// Copies `bytes` from `from` to `to`, and prefetches as many from `ahead`, one line for each line
// copied: requests to memory come at the pace at which they are served.
inline void CopyAndPrefetch(std::byte* to, const std::byte* from, size_t bytes,
                            const std::byte* ahead) {
  size_t done = 0;
  for (; done + kCacheLineBytes <= bytes; done += kCacheLineBytes) {
    PrefetchLine(ahead + done);
    HalfLine first;
    HalfLine second;
    std::memcpy(&first, from + done, sizeof(first));
    std::memcpy(&second, from + done + sizeof(first), sizeof(second));
    std::memcpy(to + done, &first, sizeof(first));
    std::memcpy(to + done + sizeof(first), &second, sizeof(second));
  }
  PrefetchLine(ahead + bytes - 1);
  std::memcpy(to + done, from + done, bytes - done);
}

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_RAM_ROW_COPY_H_
