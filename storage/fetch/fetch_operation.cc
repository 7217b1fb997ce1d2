#include "storage/fetch/fetch_operation.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "storage/fetch/nvme_fetch.h"

namespace engram::storage {
namespace {

// InfiniteFuture if nobody said.
absl::Time NeededAt(const FetchOptions& options, absl::Duration window, absl::Time start) {
  if (options.needed_at != absl::InfiniteFuture()) return options.needed_at;
  if (options.deadline != absl::InfiniteFuture()) return options.deadline;
  return window > absl::ZeroDuration() ? start + window : absl::InfiniteFuture();
}

}  // namespace

void RunFetch(const FetchOptions& options, FetchDone done, IoScheduler* scheduler) {
  const absl::Time start = absl::Now();
  auto& table = static_cast<TableVersion&>(*options.table);
  const absl::Time needed_at = NeededAt(options, table.window(), start);
  std::vector<uint32_t> misses;
  table.ram().Lookup(options.row_ids, options.rows.data(), &misses);
  if (!options.tiers.empty()) {
    std::fill(options.tiers.begin(), options.tiers.end(), Tier::kRam);
    for (const uint32_t group : misses) {
      options.tiers[group] = Tier::kCold;
    }
  }
  if (misses.empty()) {
    const uint64_t groups = options.row_ids.size() / table.spec().group_size;
    const absl::Time end = absl::Now();
    table.CountFetch(groups, groups, 0, end - start);
    table.CountTimeliness(needed_at, end);
    std::move(done)(absl::OkStatus());
    return;
  }
  FetchOptions of_the_rest = options;
  of_the_rest.needed_at = needed_at;
  std::make_shared<NvmeFetch>(of_the_rest, std::move(done), std::move(misses), start, scheduler)
      ->Start();
}

}  // namespace engram::storage
