// One fetch on its way through the tiers: RAM first, on the caller's thread; what is missing there
// from the cold tier, on I/O threads; then into RAM, and back to the caller.
#ifndef ENGRAM_STORAGE_FETCH_FETCH_OPERATION_H_
#define ENGRAM_STORAGE_FETCH_FETCH_OPERATION_H_

#include "storage/fetch/io_scheduler.h"
#include "storage/fetch/table_version.h"
#include "storage/tiered_store.h"

namespace engram::storage {

// Runs a fetch whose ids and outputs were checked; `done` as TieredStore::Fetch.
// options.table is a TableVersion.
void RunFetch(const FetchOptions& options, FetchDone done, IoScheduler* scheduler);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_FETCH_FETCH_OPERATION_H_
