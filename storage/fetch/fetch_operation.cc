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

// Copies what was prefetched to the answer, and takes it off `misses`.
std::vector<PrefetchedGroups::Taken> TakePrefetched(const FetchOptions& options,
                                                    TableVersion* table,
                                                    std::vector<uint32_t>* misses) {
  if (misses->empty()) return {};
  const size_t group_bytes = table->spec().group_bytes();
  auto taken = table->prefetched().Take(options.row_ids, misses);
  for (const auto& [group, content] : taken) {
    std::memcpy(options.rows.data() + group * group_bytes, content->rows, group_bytes);
  }
  return taken;
}

void SetTiers(absl::Span<Tier> tiers, const std::vector<uint32_t>& misses) {
  if (tiers.empty()) return;
  std::fill(tiers.begin(), tiers.end(), Tier::kRam);
  for (const uint32_t group : misses) tiers[group] = Tier::kCold;
}

// Answers with what is in memory, or has the rest read.
void Answer(const FetchOptions& options, TableVersion& table, absl::Time start,
            std::vector<uint32_t> misses, FetchDone done, const FetchContext& context) {
  const absl::Time needed_at = NeededAt(options, table.window(), start);
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

}  // namespace

void RunFetch(const FetchOptions& options, FetchDone done, const FetchContext& context) {
  const absl::Time start = absl::Now();
  const auto table = std::static_pointer_cast<TableVersion>(options.table);
  std::vector<uint32_t> misses;
  table->ram().Lookup(options.row_ids, options.rows.data(), &misses);
  const auto taken = TakePrefetched(options, table.get(), &misses);
  const auto admit = [&] {
    for (const auto& [group, content] : taken) table->ram().Admit(content->ids, content->rows, {0});
  };
  const bool is_all_here = misses.empty();  // then the answer should not wait for the admissions
  if (!is_all_here) admit();
  Answer(options, *table, start, std::move(misses), std::move(done), context);
  if (is_all_here) admit();
}

}  // namespace engram::storage
