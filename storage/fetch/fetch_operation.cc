#include "storage/fetch/fetch_operation.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "storage/fetch/nvme_fetch.h"
#include "storage/fetch/partial_fetch.h"
#include "storage/fetch/prefetched_groups.h"
#include "storage/fetch/table_version.h"

namespace engram::storage {
namespace {

absl::Time NeededAt(const FetchOptions& options, absl::Duration window, absl::Time start) {
  if (options.needed_at != absl::InfiniteFuture()) return options.needed_at;
  if (options.deadline != absl::InfiniteFuture()) return options.deadline;
  return window > absl::ZeroDuration() ? start + window : absl::InfiniteFuture();
}

// Copies what was prefetched to the answer, takes it off `misses`, and offers it to RAM.
void TakePrefetched(const FetchOptions& options, TableVersion* table,
                    std::vector<uint32_t>* misses) {
  const size_t group_bytes = table->spec().group_bytes();
  for (const auto& [group, content] : table->prefetched().Take(options.row_ids, misses)) {
    std::memcpy(options.rows.data() + group * group_bytes, content->rows, group_bytes);
    table->ram().Admit(content->ids, content->rows, {0});
  }
}

void SetTiers(absl::Span<Tier> tiers, const std::vector<uint32_t>& misses) {
  if (tiers.empty()) return;
  std::fill(tiers.begin(), tiers.end(), Tier::kRam);
  for (const uint32_t group : misses) tiers[group] = Tier::kCold;
}

}  // namespace

void RunFetch(const FetchOptions& options, FetchDone done, const FetchContext& context) {
  const absl::Time start = absl::Now();
  auto& table = static_cast<TableVersion&>(*options.table);
  const absl::Time needed_at = NeededAt(options, table.window(), start);
  std::vector<uint32_t> misses;
  table.ram().Lookup(options.row_ids, options.rows.data(), &misses);
  if (!misses.empty()) TakePrefetched(options, &table, &misses);
  SetTiers(options.tiers, misses);
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
  if (options.partial && options.deadline != absl::InfiniteFuture()) {
    PartialFetch::Start(of_the_rest, std::move(done), std::move(misses), start, context);
    return;
  }
  std::make_shared<NvmeFetch>(of_the_rest, std::move(done), std::move(misses), start,
                              context.scheduler)
      ->Start();
}

}  // namespace engram::storage
