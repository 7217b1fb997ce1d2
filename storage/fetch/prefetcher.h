// Reads groups that somebody announced.
#ifndef ENGRAM_STORAGE_FETCH_PREFETCHER_H_
#define ENGRAM_STORAGE_FETCH_PREFETCHER_H_

#include <cstdint>
#include <memory>

#include "absl/types/span.h"
#include "storage/fetch/io_scheduler.h"
#include "storage/fetch/table_version.h"
#include "storage/ram/byte_budget.h"
#include "storage/table_spec.h"

namespace engram::storage {

// Thread-safe. The scheduler must be destroyed first.
class Prefetcher {
 public:
  // max_bytes: of groups that are being read
  Prefetcher(uint64_t max_bytes, IoScheduler* scheduler)
      : reading_(std::make_shared<ByteBudget>(max_bytes)), scheduler_(scheduler) {}

  // Reads the groups that are neither in RAM nor read already nor under way for another hint,
  // behind all else, into table->prefetched(). Those are dropped for which there is no room or no
  // time within a second, or that a fetch asks for before they are being read.
  //   row_ids: [groups x group_size], valid; copied
  void Prefetch(const std::shared_ptr<TableVersion>& table, absl::Span<const RowId> row_ids);

 private:
  const std::shared_ptr<ByteBudget> reading_;
  IoScheduler* const scheduler_;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_FETCH_PREFETCHER_H_
