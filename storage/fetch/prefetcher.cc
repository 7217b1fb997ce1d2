#include "storage/fetch/prefetcher.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "storage/fetch/nvme_fetch.h"

namespace engram::storage {
namespace {

// Read by one job: few enough that a fetch of a few groups waits for one that is under way.
constexpr size_t kGroupsOfOneRead = 8;
// A hint that could not be followed by then is old.
constexpr absl::Duration kHintLife = absl::Seconds(1);

// Groups that are read together, and the part of the budget that they take until they are there.
class HintedGroups {
 public:
  HintedGroups(std::shared_ptr<TableVersion> table, std::vector<RowId> row_ids,
               std::shared_ptr<ByteBudget> budget)
      : table_(std::move(table)),
        row_ids_(std::move(row_ids)),
        tiers_(groups(), Tier::kCold),
        budget_(std::move(budget)) {}

  ~HintedGroups() {
    if (rows_ != nullptr) budget_->Release(bytes());
  }

  // Takes memory for the rows; returns whether there was room.
  bool TakeMemory() {
    if (!budget_->TryReserve(bytes())) return false;
    rows_ = std::make_unique_for_overwrite<std::byte[]>(row_ids_.size() * table_->spec().row_bytes);
    return true;
  }

  size_t groups() const { return row_ids_.size() / table_->spec().group_size; }

  FetchOptions AsFetch() {
    return {.table = table_,
            .row_ids = row_ids_,
            .rows = {rows_.get(), row_ids_.size() * table_->spec().row_bytes},
            .tiers = absl::MakeSpan(tiers_),
            .deadline = absl::Now() + kHintLife};
  }

  void OnRead(const absl::Status& status) {
    if (!status.ok()) {
      table_->prefetched().CountDropped(groups());
      return;
    }
    for (size_t group = 0; group < groups(); ++group) {
      if (tiers_[group] == Tier::kAbsent) {
        table_->prefetched().CountDropped(1);
      } else {
        Keep(group);
      }
    }
  }

 private:
  void Keep(size_t group) {
    const size_t group_size = table_->spec().group_size;
    const auto ids = absl::MakeConstSpan(row_ids_).subspan(group * group_size, group_size);
    if (table_->ram().NotHeld(ids).empty()) {
      table_->prefetched().CountWasted(1);  // a fetch came first, and brought it there
    } else {
      table_->prefetched().Put(ids, rows_.get() + group * table_->spec().group_bytes());
    }
  }

  uint64_t bytes() const { return groups() * table_->prefetched().group_bytes(); }

  const std::shared_ptr<TableVersion> table_;
  const std::vector<RowId> row_ids_;
  std::vector<Tier> tiers_;  // [groups]
  const std::shared_ptr<ByteBudget> budget_;
  std::unique_ptr<std::byte[]> rows_;
};

}  // namespace

void Prefetcher::Prefetch(const std::shared_ptr<TableVersion>& table,
                          absl::Span<const RowId> row_ids) {
  const size_t group_size = table->spec().group_size;
  const auto ids_of = [&](uint32_t group) {
    return row_ids.subspan(group * group_size, group_size);
  };
  std::vector<uint32_t> missing = table->ram().NotHeld(row_ids);
  absl::flat_hash_set<absl::Span<const RowId>> seen;
  const absl::Time soon = absl::Now() + kHintLife / 2;
  const auto needs_no_read = [&](uint32_t group) {
    const absl::Span<const RowId> ids = ids_of(group);
    return !seen.insert(ids).second || table->prefetched().Holds(ids) ||
           table->reads_under_way().IsHinted(ids, soon);
  };
  missing.erase(std::remove_if(missing.begin(), missing.end(), needs_no_read), missing.end());
  for (size_t begin = 0; begin < missing.size(); begin += kGroupsOfOneRead) {
    const size_t end = std::min(missing.size(), begin + kGroupsOfOneRead);
    std::vector<RowId> ids;
    for (size_t i = begin; i < end; ++i) {
      ids.insert(ids.end(), ids_of(missing[i]).begin(), ids_of(missing[i]).end());
    }
    auto hinted = std::make_shared<HintedGroups>(table, std::move(ids), reading_);
    if (!hinted->TakeMemory()) {
      table->prefetched().CountDropped(missing.size() - begin);
      return;
    }
    table->prefetched().CountAccepted(hinted->groups());
    NvmeFetch::ReadAll(
        hinted->AsFetch(), [hinted](const absl::Status& status) { hinted->OnRead(status); },
        absl::Now(), scheduler_, ReadFor::kPrefetch);
  }
}

}  // namespace engram::storage
