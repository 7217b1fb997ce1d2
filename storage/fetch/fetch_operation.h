// A fetch, from the ids to the rows.
#ifndef ENGRAM_STORAGE_FETCH_FETCH_OPERATION_H_
#define ENGRAM_STORAGE_FETCH_FETCH_OPERATION_H_

#include "storage/fetch/io_scheduler.h"
#include "storage/tiered_store.h"

namespace engram::storage {

class DeadlineTimer;
class LateMemory;
class Prefetcher;

// What fetches work with. All of it outlives them; fetches that ask for no partial answer need the
// scheduler alone.
struct FetchContext {
  IoScheduler* scheduler = nullptr;
  DeadlineTimer* timer = nullptr;
  Prefetcher* prefetcher = nullptr;
  LateMemory* late_memory = nullptr;
};

// Runs a fetch whose ids and outputs were checked; `done` as TieredStore::Fetch.
// options.table is a TableVersion.
void RunFetch(const FetchOptions& options, FetchDone done, const FetchContext& context);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_FETCH_FETCH_OPERATION_H_
