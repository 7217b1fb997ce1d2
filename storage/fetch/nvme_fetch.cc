#include "storage/fetch/nvme_fetch.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <numeric>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/time/clock.h"
#include "storage/fetch/data_loss_log.h"
#include "storage/fetch/split_reads.h"

namespace engram::storage {
namespace {

// What a caller reads: two tokens' groups, needed sooner than an I/O thread may wake up and read.
constexpr size_t kGroupsOfCaller = 6;
constexpr absl::Duration kAtOnce = absl::Milliseconds(1);
// How long it looks out for them before it sleeps: some reads take so long, and where all sleep
// the processor may as well, which then takes a good part of a read's time to wake up.
constexpr absl::Duration kSpin = absl::Microseconds(300);

uint64_t DistinctRows(absl::Span<const RowRead> reads) {
  uint64_t distinct = 0;
  for (size_t i = 0; i < reads.size(); ++i) {
    distinct += i == 0 || reads[i].row_id != reads[i - 1].row_id;
  }
  return distinct;
}

}  // namespace

void NvmeFetch::ReadAll(const FetchOptions& options, FetchDone done, absl::Time start,
                        IoScheduler* scheduler, ReadFor read_for) {
  std::vector<uint32_t> all(options.row_ids.size() / options.table->spec().group_size);
  std::iota(all.begin(), all.end(), 0);
  std::make_shared<NvmeFetch>(options, std::move(done), std::move(all), start, scheduler, read_for)
      ->Start();
}

void NvmeFetch::Start() {
  if (options_.rows_are_shared) {
    own_rows_ = std::make_unique_for_overwrite<std::byte[]>(misses_.size() * group_bytes());
    own_ids_.reserve(misses_.size() * group_size());
    for (const uint32_t group : misses_) {
      const auto ids = options_.row_ids.subspan(size_t{group} * group_size(), group_size());
      own_ids_.insert(own_ids_.end(), ids.begin(), ids.end());
    }
  }
  absl::flat_hash_map<absl::Span<const RowId>, uint32_t> firsts;
  firsts.reserve(misses_.size());
  for (uint32_t miss = 0; miss < misses_.size(); ++miss) {
    const auto [first, is_first] = firsts.try_emplace(IdsOf(miss), miss);
    if (is_first) {
      ReadOrAwait(miss);
    } else {
      repeats_.push_back({.miss = miss, .first = first->second});
    }
  }
  if (read_.empty()) {
    Arrive();  // others read it all
  } else if (CallerReads()) {
    caller_ = std::this_thread::get_id();
    Begin();
  } else {
    Submit([this] { Begin(); });
  }
}

bool NvmeFetch::CallerReads() const {
  return options_.caller_may_read && job_class_ == JobClass::kInteractive &&
         read_for_ == ReadFor::kFetch && misses_.size() <= kGroupsOfCaller &&
         due() - absl::Now() <= kAtOnce;
}

void NvmeFetch::Begin() {
  as_reader_.SetBegun();
  if (job_class_ == JobClass::kHint) LeaveWhatWasTakenOver();
  warm_ = table_.current_warm()->Get();
  std::vector<uint32_t> cold;
  for (const uint32_t miss : read_) {
    const RowId* const ids = IdsOf(miss).data();
    const auto slot = warm_ == nullptr ? std::nullopt : warm_->Find(ids);
    if (slot.has_value()) {
      warm_reads_.push_back(
          {.slot = *slot, .ids = ids, .rows = RowsOf(miss), .group = miss, .found = false});
    } else {
      cold.push_back(miss);
    }
  }
  std::sort(warm_reads_.begin(), warm_reads_.end(),
            [](const WarmRead& a, const WarmRead& b) { return a.slot < b.slot; });
  ListColdReads(cold);
  StartRound();
}

void NvmeFetch::LeaveWhatWasTakenOver() {
  for (const uint32_t miss : std::exchange(shared_, {})) {
    if (table_.reads_under_way().IsReader(IdsOf(miss), &as_reader_)) {
      shared_.push_back(miss);
    } else {
      read_.erase(std::find(read_.begin(), read_.end(), miss));
      SetTier(miss, Tier::kAbsent);
    }
  }
}

void NvmeFetch::ReadOrAwait(uint32_t miss) {
  // Counted before anybody can take it off again.
  to_come_.fetch_add(1, std::memory_order_relaxed);
  const auto role =
      table_.reads_under_way().Begin(IdsOf(miss), &as_reader_, shared_from_this(), miss);
  if (role == ReadsUnderWay::Role::kWaits) {
    waited_.push_back(miss);
    return;
  }
  to_come_.fetch_sub(1, std::memory_order_relaxed);
  read_.push_back(miss);
  if (role == ReadsUnderWay::Role::kReads) shared_.push_back(miss);
}

void NvmeFetch::ListColdReads(absl::Span<const uint32_t> misses) {
  reads_.clear();
  reads_.reserve(misses.size() * group_size());
  for (const uint32_t miss : misses) {
    const absl::Span<const RowId> ids = IdsOf(miss);
    const uint32_t first_row = (own_rows_ == nullptr ? misses_[miss] : miss) * group_size();
    for (uint32_t i = 0; i < group_size(); ++i) {
      reads_.push_back({.row_id = ids[i], .destination = first_row + i});
    }
  }
  std::sort(reads_.begin(), reads_.end());
}

void NvmeFetch::StartRound() {
  std::vector<Part> parts;
  const auto add = [&parts](bool warm, const std::vector<size_t>& bounds) {
    for (size_t i = 0; i + 1 < bounds.size(); ++i) {
      if (bounds[i] < bounds[i + 1]) parts.push_back({warm, bounds[i], bounds[i + 1]});
    }
  };
  add(true, SplitEvenly(warm_reads_.size(), scheduler_->threads()));
  add(false, SplitByPage(reads_, table_.spec(), scheduler_->threads()));
  if (parts.empty()) {
    EndRound();
    return;
  }
  parts_left_.store(parts.size(), std::memory_order_relaxed);
  // Whoever waits for a hint that has begun must not wait for its turn among the hints again.
  const bool all_here = job_class_ == JobClass::kHint;
  for (size_t i = 1; i < parts.size() && !all_here; ++i) {
    Submit([this, part = parts[i]] { ReadPart(part); });
  }
  const auto self = shared_from_this();  // the last part may end it
  for (const Part& part : absl::MakeConstSpan(parts).first(all_here ? parts.size() : 1)) {
    ReadPart(part);
  }
}

void NvmeFetch::ReadPart(const Part& part) {
  const size_t count = part.end - part.begin;
  if (!failed()) {
    const absl::Status status =
        part.warm ? ReadWarm(absl::MakeSpan(warm_reads_).subspan(part.begin, count))
                  : ReadCold(absl::MakeConstSpan(reads_).subspan(part.begin, count));
    if (!status.ok()) Fail(status);
  }
  if (parts_left_.fetch_sub(1, std::memory_order_acq_rel) == 1) EndRound();
}

ReadTerms NvmeFetch::terms() const {
  return {read_for_ == ReadFor::kPart ? absl::InfiniteFuture() : options_.deadline,
          options_.cancelled, &scheduler_->PaceOf(job_class_),
          is_caller() ? absl::Now() + kSpin : absl::InfinitePast()};
}

absl::Status NvmeFetch::ReadWarm(absl::Span<WarmRead> reads) {
  if (auto status = MayBegin(); !status.ok()) return status;
  const absl::Time start = absl::Now();
  ColdReadStats stats;
  absl::Status status = warm_->Read(reads, terms(), &stats);
  reads_made_.fetch_add(stats.reads, std::memory_order_relaxed);
  const auto found =
      std::count_if(reads.begin(), reads.end(), [](const WarmRead& read) { return read.found; });
  table_.CountWarmReads(stats, static_cast<uint64_t>(found), absl::Now() - start);
  return status;
}

absl::Status NvmeFetch::ReadCold(absl::Span<const RowRead> reads) {
  if (auto status = MayBegin(); !status.ok()) return status;
  const absl::Time start = absl::Now();
  ColdReadStats stats;
  absl::Status status = table_.cold().ReadRows(reads, rows(), terms(), &stats);
  reads_made_.fetch_add(stats.reads, std::memory_order_relaxed);
  table_.CountColdReads(stats, status.ok() ? DistinctRows(reads) : 0, absl::Now() - start);
  return status;
}

void NvmeFetch::EndRound() {
  warm_.reset();  // what follows is cold
  std::vector<uint32_t> not_found;
  for (const WarmRead& read : std::exchange(warm_reads_, {})) {
    if (!read.found) {
      not_found.push_back(read.group);
      continue;
    }
    ++warm_hits_;
    SetTier(read.group, Tier::kWarm);
  }
  if (!failed() && !not_found.empty()) {
    ListColdReads(not_found);
    StartRound();
    return;
  }
  const bool rows_outlive_answer = own_rows_ != nullptr;
  const bool all_came = waited_.empty();
  if (is_caller() && rows_outlive_answer && all_came) {
    AnswerFirst();
  } else {
    HandOn();
    Arrive();
  }
}

void NvmeFetch::AnswerFirst() {
  const TableRef table = options_.table;
  if (!failed()) {
    for (const uint32_t miss : shared_) {
      table_.reads_under_way().HandOut(IdsOf(miss), RowsOf(miss));
    }
  }
  CopyRepeats();
  Answer();
  HandOn();
  AdmitUses();
}

void NvmeFetch::HandOn() {
  // First to RAM, so that whoever no longer finds them here finds them there.
  if (!failed()) {
    AdmitToRam(read_);
    reads_made_.store(0, std::memory_order_relaxed);  // none of them was in vain
  }
  read_.clear();
  for (const uint32_t miss : std::exchange(shared_, {})) {
    table_.reads_under_way().End(IdsOf(miss), failed() ? nullptr : RowsOf(miss));
  }
}

void NvmeFetch::Take(uint32_t miss, const std::byte* rows) {
  if (rows == nullptr) {
    absl::MutexLock lock(&mutex_);
    did_not_come_.push_back(miss);
  } else {
    std::memcpy(RowsOf(miss), rows, group_bytes());
    SetTier(miss, Tier::kRam);
  }
  Arrive();
}

void NvmeFetch::Arrive() {
  if (to_come_.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
  if (waited_.empty()) {
    Finish();
  } else {  // the thread may be another fetch's, which should not be held up
    Submit([this] { ReadWhatDidNotCome(); });
  }
}

void NvmeFetch::ReadWhatDidNotCome() {
  {
    absl::MutexLock lock(&mutex_);
    read_ = std::exchange(did_not_come_, {});
  }
  if (failed() || read_.empty()) {
    Finish();
    return;
  }
  std::sort(read_.begin(), read_.end());
  std::vector<uint32_t> came;
  std::set_difference(waited_.begin(), waited_.end(), read_.begin(), read_.end(),
                      std::back_inserter(came));
  waited_ = std::move(came);
  to_come_.store(1, std::memory_order_relaxed);
  ListColdReads(read_);
  StartRound();
}

void NvmeFetch::Fail(const absl::Status& status) {
  if (absl::IsDataLoss(status)) LogDataLoss(table_.identity().name, status);
  absl::MutexLock lock(&mutex_);
  if (status_.ok()) {
    status_ = status;
  }
  failed_.store(true, std::memory_order_relaxed);
}

void NvmeFetch::AdmitToRam(std::vector<uint32_t> misses) {
  if (misses.empty() || read_for_ == ReadFor::kPrefetch) return;
  if (own_rows_ != nullptr) {
    table_.ram().Admit(own_ids_, own_rows_.get(), misses);
    return;
  }
  for (uint32_t& miss : misses) miss = misses_[miss];
  table_.ram().Admit(options_.row_ids, options_.rows.data(), misses);
}

void NvmeFetch::AdmitUses() {
  if (failed()) return;
  std::vector<uint32_t> uses = waited_;
  for (const Repeat& repeat : repeats_) uses.push_back(repeat.miss);
  std::sort(uses.begin(), uses.end());
  AdmitToRam(std::move(uses));
}

void NvmeFetch::CopyRepeats() const {
  if (failed()) return;
  for (const Repeat& repeat : repeats_) {
    std::memcpy(RowsOf(repeat.miss), RowsOf(repeat.first), group_bytes());
    SetTier(repeat.miss, Tier::kRam);
  }
}

void NvmeFetch::CopyOwnRows() const {
  for (uint32_t miss = 0; own_rows_ != nullptr && miss < misses_.size(); ++miss) {
    std::memcpy(options_.rows.data() + misses_[miss] * group_bytes(), RowsOf(miss), group_bytes());
  }
}

void NvmeFetch::CountEnd(const absl::Status& status) {
  const bool too_late = absl::IsDeadlineExceeded(status);
  if (read_for_ != ReadFor::kPrefetch && (too_late || absl::IsCancelled(status))) {
    table_.CountWastedReads(reads_made_.load(std::memory_order_relaxed));
  }
  if (read_for_ != ReadFor::kFetch) return;
  const absl::Time end = absl::Now();
  if (status.ok()) {
    const uint64_t groups = options_.row_ids.size() / group_size();
    const uint64_t from_ram = groups - misses_.size() + waited_.size() + repeats_.size();
    table_.CountFetch(groups, from_ram, warm_hits_, end - start_);
    table_.CountTimeliness(options_.needed_at, end);
    return;
  }
  table_.CountError();
  if (too_late) table_.CountTimeliness(options_.needed_at, absl::InfiniteFuture());
}

void NvmeFetch::Finish() {
  CopyRepeats();
  AdmitUses();
  Answer();
}

void NvmeFetch::Answer() {
  absl::Status status;
  {
    absl::MutexLock lock(&mutex_);
    status = status_;
  }
  if (status.ok()) CopyOwnRows();
  CountEnd(status);
  // The caller may let go of everything as soon as it is told, the table included.
  options_.table.reset();
  std::move(done_)(std::move(status));
}

}  // namespace engram::storage
