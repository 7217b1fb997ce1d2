#include "storage/fetch/fetch_operation.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "storage/fetch/nvme_fetch.h"

namespace engram::storage {

void RunFetch(const FetchOptions& options, FetchDone done, IoScheduler* scheduler) {
  const absl::Time start = absl::Now();
  auto& table = static_cast<TableVersion&>(*options.table);
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
    table.CountFetch(groups, groups, 0, absl::Now() - start);
    std::move(done)(absl::OkStatus());
    return;
  }
  std::make_shared<NvmeFetch>(options, std::move(done), std::move(misses), start, scheduler)
      ->Start();
}

}  // namespace engram::storage
