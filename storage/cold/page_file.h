// SST files of pages: written beside the database, then moved into it.
#ifndef ENGRAM_STORAGE_COLD_PAGE_FILE_H_
#define ENGRAM_STORAGE_COLD_PAGE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "storage/cold/instance.h"
#include "storage/cold/page_layout.h"

namespace engram::storage {

// Writes and syncs a file of the pages from `first_page` on, which hold `rows`, one after the
// other: [at least one x row_bytes]. What they lack of the last page is filled with zeros.
//   RESOURCE_EXHAUSTED  the disk is full
//   DATA_LOSS           the disk failed
absl::Status WritePageFile(Instance* instance, const std::string& path, const PageLayout& layout,
                           uint64_t first_page, absl::Span<const std::byte> rows);

// Moves files into a column family that holds none of their pages, all or none.
//   RESOURCE_EXHAUSTED, DATA_LOSS
absl::Status IngestPageFiles(Instance* instance, const ColumnFamily& family,
                             const std::vector<std::string>& paths);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_COLD_PAGE_FILE_H_
