#include "storage/fetch/split_reads.h"

#include <algorithm>

#include "storage/cold/page_layout.h"

namespace engram::storage {
namespace {

// Fewer reads than this are not worth a second thread: one keeps them all in flight.
constexpr size_t kMinReadsPerPart = 256;

size_t PartsFor(size_t reads, int threads) {
  return std::clamp<size_t>(reads / kMinReadsPerPart, 1, static_cast<size_t>(threads));
}

}  // namespace

std::vector<size_t> SplitEvenly(size_t reads, int threads) {
  const size_t parts = PartsFor(reads, threads);
  std::vector<size_t> bounds;
  for (size_t part = 0; part <= parts; ++part) bounds.push_back(reads * part / parts);
  return bounds;
}

std::vector<size_t> SplitByPage(absl::Span<const RowRead> reads, const TableSpec& spec,
                                int threads) {
  const PageLayout layout(spec);
  const size_t parts = PartsFor(reads.size(), threads);
  std::vector<size_t> bounds = {0};
  for (size_t part = 1; part < parts; ++part) {
    size_t bound = std::max(bounds.back(), reads.size() * part / parts);
    while (bound > 0 && bound < reads.size() &&
           layout.page_of(reads[bound].row_id) == layout.page_of(reads[bound - 1].row_id)) {
      ++bound;
    }
    if (bound > bounds.back() && bound < reads.size()) bounds.push_back(bound);
  }
  bounds.push_back(reads.size());
  return bounds;
}

}  // namespace engram::storage
