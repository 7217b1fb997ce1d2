// How the disk budget of the warm tiers is divided between tables.
#ifndef ENGRAM_STORAGE_WARM_DISK_DIVISION_H_
#define ENGRAM_STORAGE_WARM_DISK_DIVISION_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace engram::storage {

struct DiskShare {
  uint64_t table_bytes = 0;
  uint64_t tier_bytes = 0;  // what the table's tier has of the budget; 0: there is none
};

// What each table's tier is to have: in proportion to the bytes of the tables. A tier whose part is
// within a sixteenth of that keeps what it has, for to change it costs reads and writes; unless the
// tables whose tiers do change would then get less than nearly all of theirs. All together are at
// most the budget, as long as the tiers there are do not exceed it. Tiers that
// were given what this returned keep it when it is asked again, whether or not all were.
std::vector<uint64_t> DivideDisk(uint64_t budget_bytes, absl::Span<const DiskShare> tables);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_WARM_DISK_DIVISION_H_
