#include "storage/fetch/partial_fetch.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "storage/fetch/nvme_fetch.h"
#include "storage/fetch/prefetcher.h"

namespace engram::storage {
namespace {

// What is late of one part is all absent; each takes a turn of an I/O thread.
constexpr size_t kParts = 16;
constexpr size_t kGroupsOfPart = 32;  // about, of a fetch that would have larger parts else

}  // namespace

void PartialFetch::Start(const FetchOptions& options, FetchDone done, std::vector<uint32_t> misses,
                         absl::Time start, const FetchContext& context) {
  std::make_shared<PartialFetch>(options, std::move(done), std::move(misses), start, context)
      ->Begin();
}

void PartialFetch::Begin() {
  if (IsCancelled()) {
    Answer();
    return;
  }
  SetTimer();
  const auto wait =
      context_.late_memory->Take(bytes(), [self = shared_from_this()] { self->OnMemory(); });
  if (!wait.has_value()) {
    OnMemory();
    return;
  }
  bool is_over = false;
  {
    absl::MutexLock lock(&mutex_);
    memory_wait_ = wait;
    is_over = answered_;
  }
  if (is_over) context_.late_memory->Leave(*wait);
}

void PartialFetch::SetTimer() {
  absl::MutexLock lock(&mutex_);
  timer_call_ = context_.timer->At(deadline_, [weak = weak_from_this()] {
    if (const auto self = weak.lock(); self != nullptr) self->Answer();
  });
}

PartialFetch::PartialFetch(const FetchOptions& options, FetchDone done,
                           std::vector<uint32_t> misses, absl::Time start,
                           const FetchContext& context)
    : table_(std::static_pointer_cast<TableVersion>(options.table)),
      start_(start),
      needed_at_(options.needed_at),
      deadline_(options.deadline),
      bulk_(options.bulk),
      groups_(options.tiers.size()),
      context_(context),
      misses_(std::move(misses)),
      tiers_(misses_.size(), Tier::kCold),
      options_(options),
      done_(std::move(done)),
      came_(misses_.size()) {
  for (const uint32_t group : misses_) {
    const auto ids = options.row_ids.subspan(group * group_size(), group_size());
    row_ids_.insert(row_ids_.end(), ids.begin(), ids.end());
  }
}

PartialFetch::~PartialFetch() {
  if (rows_ != nullptr) context_.late_memory->Give(bytes());
}

void PartialFetch::OnMemory() {
  rows_ = std::make_unique_for_overwrite<std::byte[]>(bytes());
  if (IsCancelled()) {
    Answer();
    return;
  }
  std::vector<Part> parts;
  const size_t count = std::max(std::min(kParts, misses_.size()), misses_.size() / kGroupsOfPart);
  for (size_t i = 0; i < count; ++i) {
    parts.push_back({misses_.size() * i / count, misses_.size() * (i + 1) / count});
  }
  {
    absl::MutexLock lock(&mutex_);
    if (answered_) return;
    has_begun_ = true;
    parts_left_ = parts.size();
  }
  Read(parts);
}

void PartialFetch::Read(const std::vector<Part>& parts) {
  for (const Part& part : parts) {
    NvmeFetch::ReadAll(
        AsFetch(part),
        [self = shared_from_this(), part](const absl::Status& status) {
          self->OnPart(part, status);
        },
        start_, context_.scheduler, ReadFor::kPart);
  }
}

FetchOptions PartialFetch::AsFetch(const Part& part) {
  const size_t count = part.end - part.begin;
  return {.table = table_,
          .row_ids = IdsOf(part),
          .rows = {rows_.get() + part.begin * group_bytes(), count * group_bytes()},
          .tiers = absl::MakeSpan(tiers_).subspan(part.begin, count),
          .needed_at = needed_at_,
          .deadline = deadline_,
          .cancelled = &cancelled_,
          .bulk = bulk_};
}

void PartialFetch::OnPart(const Part& part, const absl::Status& status) {
  const bool not_begun = absl::IsDeadlineExceeded(status);
  bool is_over = false;
  {
    absl::MutexLock lock(&mutex_);
    if (!answered_ && status.ok()) CopyToAnswer(part);
    if (!status.ok() && !not_begun) status_.Update(status);
    is_over = --parts_left_ == 0 || !CheckCancelled().ok();
  }
  if (is_over) Answer();
  if (not_begun) context_.prefetcher->Prefetch(table_, IdsOf(part));
}

void PartialFetch::CopyToAnswer(const Part& part) {
  for (size_t miss = part.begin; miss < part.end; ++miss) {
    std::memcpy(options_.rows.data() + misses_[miss] * group_bytes(),
                rows_.get() + miss * group_bytes(), group_bytes());
    options_.tiers[misses_[miss]] = tiers_[miss];
    warm_hits_ += tiers_[miss] == Tier::kWarm ? 1 : 0;
    came_[miss] = true;
  }
}

void PartialFetch::Answer() {
  FetchDone done;
  absl::Status status;
  uint64_t absent = 0;
  uint64_t warm_hits = 0;
  std::optional<DeadlineTimer::Id> timer_call;
  std::optional<LateMemory::Id> memory_wait;
  bool is_left = false;
  {
    absl::MutexLock lock(&mutex_);
    if (std::exchange(answered_, true)) return;
    status_.Update(CheckCancelled());
    if (status_.ok()) absent = MarkAbsent();
    status = status_;
    warm_hits = warm_hits_;
    timer_call = timer_call_;
    memory_wait = memory_wait_;
    is_left = status.ok() && !has_begun_;
    done = std::move(done_);
    options_ = {};
  }
  if (timer_call.has_value()) context_.timer->Cancel(*timer_call);
  if (memory_wait.has_value()) context_.late_memory->Leave(*memory_wait);
  Count(status, warm_hits, absent);
  std::move(done)(std::move(status));
  if (!is_left) return;
  context_.scheduler->Submit(JobClass::kHint, absl::Now(), [self = shared_from_this()] {
    self->context_.prefetcher->Prefetch(self->table_, self->row_ids_);
  });
}

absl::Status PartialFetch::CheckCancelled() {
  absl::Status status = ReadTerms(absl::InfiniteFuture(), options_.cancelled).Check();
  if (!status.ok()) cancelled_.store(1, std::memory_order_relaxed);
  return status;
}

bool PartialFetch::IsCancelled() {
  absl::MutexLock lock(&mutex_);
  return !CheckCancelled().ok();
}

uint64_t PartialFetch::MarkAbsent() {
  uint64_t absent = 0;
  for (size_t miss = 0; miss < misses_.size(); ++miss) {
    if (came_[miss]) continue;
    ++absent;
    options_.tiers[misses_[miss]] = Tier::kAbsent;
    std::fill_n(options_.rows.data() + misses_[miss] * group_bytes(), group_bytes(), kAbsentByte);
  }
  return absent;
}

void PartialFetch::Count(const absl::Status& status, uint64_t warm_hits, uint64_t absent) const {
  if (!status.ok()) {
    table_->CountError();
    return;
  }
  const absl::Time end = absl::Now();
  table_->CountFetch(groups_ - absent, groups_ - misses_.size(), warm_hits, end - start_);
  table_->CountTimeliness(needed_at_, absent > 0 ? absl::InfiniteFuture() : end);
  if (absent > 0) table_->CountPartialAnswer(absent);
}

}  // namespace engram::storage
