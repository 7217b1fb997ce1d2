#include "tests/bench/gather_loops.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace engram::bench {
namespace {

constexpr size_t kLine = 64;
using HalfLine __attribute__((vector_size(32))) = long long;

// Prefetches an item that lies ahead as a whole, then copies one.
void GatherByItem(const std::byte* table, absl::Span<const uint32_t> items, size_t bytes,
                  size_t ahead, std::byte* out) {
  for (size_t i = 0; i < items.size(); ++i) {
    const std::byte* next = table + items[std::min(i + ahead, items.size() - 1)] * bytes;
    for (size_t line = 0; line < bytes; line += kLine) __builtin_prefetch(next + line);
    std::memcpy(out + i * bytes, table + items[i] * bytes, bytes);
  }
}

// Prefetches one line of an item that lies ahead for each line that it copies.
void GatherByLine(const std::byte* table, absl::Span<const uint32_t> items, size_t bytes,
                  size_t ahead, std::byte* out) {
  for (size_t i = 0; i < items.size(); ++i) {
    const std::byte* next = table + items[std::min(i + ahead, items.size() - 1)] * bytes;
    const std::byte* from = table + items[i] * bytes;
    std::byte* to = out + i * bytes;
    size_t done = 0;
    for (; done + kLine <= bytes; done += kLine) {
      __builtin_prefetch(next + done);
      HalfLine first;
      HalfLine second;
      std::memcpy(&first, from + done, sizeof(first));
      std::memcpy(&second, from + done + sizeof(first), sizeof(second));
      std::memcpy(to + done, &first, sizeof(first));
      std::memcpy(to + done + sizeof(first), &second, sizeof(second));
    }
    __builtin_prefetch(next + bytes - 1);
    std::memcpy(to + done, from + done, bytes - done);
  }
}

}  // namespace

std::vector<GatherVariant> GatherVariants(size_t item_bytes) {
  std::vector<GatherVariant> variants;
  for (const size_t ahead_bytes : {1024, 2048, 4096, 8192}) {
    const size_t ahead = std::max<size_t>(1, (ahead_bytes + item_bytes / 2) / item_bytes);
    if (!variants.empty() && variants.back().ahead == ahead) continue;
    variants.push_back({absl::StrCat("by item, ", ahead, " ahead"), GatherByItem, ahead});
    variants.push_back({absl::StrCat("by line, ", ahead, " ahead"), GatherByLine, ahead});
  }
  return variants;
}

}  // namespace engram::bench
