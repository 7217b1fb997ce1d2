#include "storage/fetch/reads_under_way.h"

#include <utility>

namespace engram::storage {

ReadsUnderWay::Role ReadsUnderWay::Begin(absl::Span<const RowId> ids, const Reader* fetch,
                                         const std::shared_ptr<Waiter>& waiter, uint32_t group) {
  absl::MutexLock lock(&mutex_);
  const auto [entry, is_new] = reads_.try_emplace(ids);
  Read& read = entry->second;
  if (is_new) {
    read.reader = fetch;
    return Role::kReads;
  }
  if (MayWaitFor(*read.reader, *fetch)) {
    read.waits.push_back({waiter, group});
    return Role::kWaits;
  }
  const bool is_hint_in_queue = read.reader->job_class == JobClass::kHint &&
                                !read.reader->begun.load(std::memory_order_relaxed);
  if (!is_hint_in_queue) return Role::kReadsToo;
  Waits waits = std::move(read.waits);
  reads_.erase(entry);  // its key are the hint's ids
  reads_.emplace(ids, Read{.reader = fetch, .waits = std::move(waits)});
  return Role::kReads;
}

bool ReadsUnderWay::IsReader(absl::Span<const RowId> ids, const Reader* hint) const {
  absl::MutexLock lock(&mutex_);
  const auto entry = reads_.find(ids);
  return entry != reads_.end() && entry->second.reader == hint;
}

bool ReadsUnderWay::IsHinted(absl::Span<const RowId> ids, absl::Time time) const {
  absl::MutexLock lock(&mutex_);
  const auto entry = reads_.find(ids);
  if (entry == reads_.end()) return false;
  const Reader& reader = *entry->second.reader;
  return reader.job_class == JobClass::kHint &&
         (reader.begun.load(std::memory_order_relaxed) || reader.deadline >= time);
}

void ReadsUnderWay::HandOut(absl::Span<const RowId> ids, const std::byte* rows) {
  Waits waits;
  {
    absl::MutexLock lock(&mutex_);
    waits = std::exchange(reads_.find(ids)->second.waits, {});
  }
  TellAll(waits, rows);
}

void ReadsUnderWay::End(absl::Span<const RowId> ids, const std::byte* rows) {
  Waits waits;
  {
    absl::MutexLock lock(&mutex_);
    const auto entry = reads_.find(ids);
    waits = std::move(entry->second.waits);
    reads_.erase(entry);
  }
  TellAll(waits, rows);
}

void ReadsUnderWay::TellAll(const Waits& waits, const std::byte* rows) {
  for (const Wait& wait : waits) wait.waiter->Take(wait.group, rows);
}

}  // namespace engram::storage
