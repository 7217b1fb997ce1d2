#include "storage/fetch/prefetched_groups.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/time/clock.h"

namespace engram::storage {
namespace {

// What a list and a hash map take for a group, beside what it holds.
constexpr uint64_t kBesideGroup = 128;
// What was announced is fetched soon, or was announced in vain.
constexpr absl::Duration kKept = absl::Seconds(30);

}  // namespace

PrefetchedGroups::PrefetchedGroups(const TableSpec& spec, std::shared_ptr<ByteBudget> budget)
    : group_size_(spec.group_size),
      rows_bytes_(spec.group_bytes()),
      group_bytes_(spec.group_bytes() + group_size_ * sizeof(RowId) + kBesideGroup),
      budget_(std::move(budget)) {}

PrefetchedGroups::~PrefetchedGroups() {
  if (budget_ != nullptr) budget_->Release(groups_.size() * group_bytes_);
}

void PrefetchedGroups::Put(absl::Span<const RowId> ids, const std::byte* rows) {
  auto group = std::make_shared<Group>();
  group->since = absl::Now();
  const size_t id_bytes = group_size_ * sizeof(RowId);
  group->memory = std::make_unique_for_overwrite<std::byte[]>(id_bytes + rows_bytes_);
  std::memcpy(group->memory.get(), ids.data(), id_bytes);
  std::memcpy(group->memory.get() + id_bytes, rows, rows_bytes_);
  group->ids = {reinterpret_cast<const RowId*>(group->memory.get()), group_size_};
  group->rows = group->memory.get() + id_bytes;
  absl::MutexLock lock(&mutex_);
  if (by_ids_.contains(ids)) {
    CountWasted(1);
    return;
  }
  if (!MakeRoom()) return;
  groups_.push_back(std::move(group));
  by_ids_.emplace(groups_.back()->ids, std::prev(groups_.end()));
  held_.store(groups_.size(), std::memory_order_relaxed);
}

bool PrefetchedGroups::MakeRoom() {
  if (budget_ == nullptr) return false;
  while (!budget_->TryReserve(group_bytes_)) {
    wasted_.fetch_add(1, std::memory_order_relaxed);
    if (groups_.empty()) return false;
    Remove(groups_.begin());
  }
  return true;
}

void PrefetchedGroups::Remove(Groups::iterator group) {
  by_ids_.erase((*group)->ids);
  groups_.erase(group);
  budget_->Release(group_bytes_);
  held_.store(groups_.size(), std::memory_order_relaxed);
}

std::vector<PrefetchedGroups::Taken> PrefetchedGroups::Take(absl::Span<const RowId> row_ids,
                                                            std::vector<uint32_t>* groups) {
  std::vector<Taken> taken;
  if (held_.load(std::memory_order_relaxed) == 0) return taken;
  absl::MutexLock lock(&mutex_);
  const auto take = [&](uint32_t group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto found = by_ids_.find(row_ids.subspan(size_t{group} * group_size_, group_size_));
    if (found == by_ids_.end()) return false;
    taken.push_back({group, *found->second});
    return true;
  };
  groups->erase(std::remove_if(groups->begin(), groups->end(), take), groups->end());
  for (const Taken& each : taken) {
    const auto found = by_ids_.find(each.content->ids);
    if (found == by_ids_.end()) continue;  // the same as one before
    Remove(found->second);
    used_.fetch_add(1, std::memory_order_relaxed);
  }
  return taken;
}

void PrefetchedGroups::Expire(absl::Time now) {
  if (held_.load(std::memory_order_relaxed) == 0) return;
  absl::MutexLock lock(&mutex_);
  while (!groups_.empty() && now - groups_.front()->since > kKept) {
    wasted_.fetch_add(1, std::memory_order_relaxed);
    Remove(groups_.begin());
  }
}

bool PrefetchedGroups::Holds(absl::Span<const RowId> ids) const {
  if (held_.load(std::memory_order_relaxed) == 0) return false;
  absl::MutexLock lock(&mutex_);
  return by_ids_.contains(ids);
}

PrefetchStats PrefetchedGroups::Stats() const {
  return {.accepted = accepted_.load(std::memory_order_relaxed),
          .dropped = dropped_.load(std::memory_order_relaxed),
          .used = used_.load(std::memory_order_relaxed),
          .wasted = wasted_.load(std::memory_order_relaxed)};
}

}  // namespace engram::storage
