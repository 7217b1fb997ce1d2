// Reads cut into runs, for several threads to make them.
#ifndef ENGRAM_STORAGE_FETCH_SPLIT_READS_H_
#define ENGRAM_STORAGE_FETCH_SPLIT_READS_H_

#include <cstddef>
#include <vector>

#include "absl/types/span.h"
#include "storage/cold/cold_tier.h"
#include "storage/table_spec.h"

namespace engram::storage {

// Both return the runs' bounds: the first is 0, the last the number of reads. There are no more
// runs than threads, and only one where one thread keeps all reads in flight.

std::vector<size_t> SplitEvenly(size_t reads, int threads);

// No page is in two runs, so that none is read twice.
//   reads: by row id, ascending
std::vector<size_t> SplitByPage(absl::Span<const RowRead> reads, const TableSpec& spec,
                                int threads);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_FETCH_SPLIT_READS_H_
