// Fetches of one table on a cold tier that does what the test says.
#ifndef ENGRAM_TESTS_STORAGE_FETCH_FETCH_OPERATION_TESTING_H_
#define ENGRAM_TESTS_STORAGE_FETCH_FETCH_OPERATION_TESTING_H_

#include <gmock/gmock.h>

#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "storage/fetch/fetch_operation.h"
#include "storage/ram/ram_tiers.h"
#include "tests/storage/cold/cold_testing.h"
#include "tests/storage/fetch/fetch_testing.h"

namespace engram::storage {

inline constexpr uint64_t kMiB = 1 << 20;

inline TableSpec GroupedSpec(uint32_t group_size) {
  TableSpec spec = OpaqueSpec(20'000, 264);
  spec.group_size = group_size;
  return spec;
}

// Fetches of one table, with a scheduler of four threads.
class FetchOperationTest : public testing::Test {
 protected:
  void Make(uint32_t group_size, uint64_t ram_budget) {
    spec_ = GroupedSpec(group_size);
    table_ = NewTableVersion(spec_, script_, RamTiers(ram_budget).NewCache(spec_));
  }

  // Starts a fetch. Its output is rows_ and tiers_; it and `ids` must last until it is done.
  std::future<absl::Status> StartFetch(const std::vector<RowId>& ids,
                                       absl::Time deadline = absl::InfiniteFuture()) {
    rows_.assign(ids.size() * spec_.row_bytes, std::byte{0xEE});
    tiers_.assign(ids.size() / spec_.group_size, Tier{0});
    std::promise<absl::Status> done;
    std::future<absl::Status> result = done.get_future();
    RunFetch({.table = table_,
              .row_ids = ids,
              .rows = absl::MakeSpan(rows_),
              .tiers = absl::MakeSpan(tiers_),
              .deadline = deadline},
             [done = std::move(done)](absl::Status status) mutable {
               done.set_value(std::move(status));
             },
             {.scheduler = &scheduler_});
    return result;
  }

  // Runs one and waits.
  absl::Status Fetch(const std::vector<RowId>& ids, absl::Time deadline = absl::InfiniteFuture()) {
    return StartFetch(ids, deadline).get();
  }

  // Keeps all I/O threads busy until the promise is kept.
  std::promise<void> KeepThreadsBusy() {
    std::promise<void> busy;
    const std::shared_future<void> until(busy.get_future());
    for (int i = 0; i < scheduler_.threads(); ++i) {
      scheduler_.Submit(JobClass::kInteractive, absl::InfinitePast(), [until] { until.wait(); });
    }
    return busy;
  }

  TableSpec spec_;
  const std::shared_ptr<ColdScript> script_ = std::make_shared<ColdScript>();
  std::shared_ptr<TableVersion> table_;
  std::vector<std::byte> rows_;
  std::vector<Tier> tiers_;
  IoScheduler scheduler_{4};
};

}  // namespace engram::storage

#endif  // ENGRAM_TESTS_STORAGE_FETCH_FETCH_OPERATION_TESTING_H_
