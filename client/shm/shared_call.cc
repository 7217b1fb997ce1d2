#include "client/shm/shared_call.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "client/fetch_request.h"

namespace engram {

std::shared_ptr<SharedCall> SharedCall::Start(std::shared_ptr<SharedLink> link,
                                              const shm::Call& table,
                                              absl::Span<const uint32_t> row_ids,
                                              absl::Span<std::byte> rows,
                                              const FetchOptions& options, Fallback fallback) {
  std::shared_ptr<SharedCall> call(
      new SharedCall(std::move(link), rows, options, std::move(fallback)));
  return call->Submit(table, row_ids, options) ? call : nullptr;
}

SharedCall::SharedCall(std::shared_ptr<SharedLink> link, absl::Span<std::byte> rows,
                       const FetchOptions& options, Fallback fallback)
    : link_(std::move(link)),
      rows_(rows),
      tiers_(options.tiers),
      give_up_at_(GiveUpAt(options)),
      fallback_(std::move(fallback)),
      direct_(link_->heap()->Contains(rows)) {}

bool SharedCall::Submit(shm::Call call, absl::Span<const uint32_t> row_ids,
                        const FetchOptions& options) {
  const auto deadline_us = MicrosecondsToDeadline(options);
  if (!deadline_us.has_value()) return false;
  SharedHeap& heap = *link_->heap();
  const size_t staged = direct_ ? 0 : rows_.size();
  ids_count_ = row_ids.size();
  ids_ = heap.Allocate(row_ids.size() * sizeof(uint32_t));
  answer_ = heap.Allocate(staged + tiers_.size());
  if (ids_.empty() || answer_.empty()) {
    return false;
  }
  std::memcpy(ids_.data(), row_ids.data(), row_ids.size() * sizeof(uint32_t));
  call.ids = static_cast<uint32_t>(row_ids.size());
  call.ids_offset = ids_.offset();
  call.rows_offset = direct_ ? heap.OffsetOf(rows_.data()) : answer_.offset();
  call.rows_bytes = rows_.size();
  call.tiers_offset = answer_.offset() + staged;
  call.tiers_bytes = tiers_.size();
  call.deadline_us = *deadline_us;
  call.needed_us = MicrosecondsUntilNeeded(options.needed_at);
  call.flags |= (options.partial ? shm::kPartial : 0) | (options.bulk ? shm::kBulk : 0);
  const auto slot = link_->Submit(call);
  if (slot.has_value()) {
    slot_ = *slot;
  }
  return slot.has_value();
}

absl::Status SharedCall::Wait() {
  while (!status_.has_value() && other_ == nullptr) {
    if (cancelled_ && !direct_) {
      GiveUp(absl::CancelledError("the call was cancelled"));
      break;
    }
    // The daemon keeps to the deadline, too, and what it writes to must not be touched before.
    switch (link_->Await(slot_, direct_ ? absl::InfiniteFuture() : give_up_at_)) {
      case SharedLink::Progress::kDone:
        Collect();
        break;
      case SharedLink::Progress::kLost:
        CollectLost();
        break;
      case SharedLink::Progress::kPending:
        GiveUp(absl::DeadlineExceededError("the deadline passed before the daemon answered"));
        break;
    }
  }
  return status_.has_value() ? *status_ : other_->Wait();
}

bool SharedCall::done() {
  if (!status_.has_value() && other_ == nullptr) {
    const SharedLink::Progress progress = link_->Poll(slot_);
    if (progress == SharedLink::Progress::kPending) {
      return !direct_ && (cancelled_ || absl::Now() >= give_up_at_);
    }
    if (progress == SharedLink::Progress::kDone) {
      Collect();
    } else {
      CollectLost();
    }
  }
  return status_.has_value() || other_->done();
}

void SharedCall::Cancel() {
  if (!done()) {
    cancelled_ = true;
    if (other_ != nullptr) {
      other_->Cancel();
    } else {
      link_->Cancel(slot_);
    }
  }
}

void SharedCall::Close() {
  Cancel();
  Wait().IgnoreError();
  if (other_ != nullptr) {
    other_->Close();
  }
}

void SharedCall::SetPoke(std::function<void()> poke) { poke_ = std::move(poke); }

std::shared_ptr<SharedLink> SharedCall::link() {
  return status_.has_value() || other_ != nullptr ? nullptr : link_;
}

// The link itself tells a daemon that hangs.
void SharedCall::CheckDaemon(absl::Time waiting_since) {
  if (other_ != nullptr) {
    other_->CheckDaemon(waiting_since);
  }
}

void SharedCall::Collect() {
  absl::Status status = link_->Outcome(slot_);
  link_->ReleaseSlot(slot_);
  if (absl::IsUnavailable(status)) {
    FallBack();
    return;
  }
  if (status.ok() && !cancelled_) {
    const std::byte* tiers = answer_.data();
    if (!direct_) {
      std::copy_n(answer_.data(), rows_.size(), rows_.begin());
      tiers += rows_.size();
    }
    std::copy_n(reinterpret_cast<const Tier*>(tiers), tiers_.size(), tiers_.begin());
  }
  status_ = cancelled_ ? absl::CancelledError("the call was cancelled") : std::move(status);
  ids_ = SharedHeap::Block();
  answer_ = SharedHeap::Block();
}

void SharedCall::CollectLost() {
  if (link_->hung() && direct_) {
    link_->heap()->Poison();
    GiveUp(absl::UnavailableError(
        "the daemon hangs, and may write to the buffer whenever it goes on: use another one"));
    return;
  }
  FallBack();
  KeepBlocks();
}

void SharedCall::FallBack() {
  other_ = fallback_({reinterpret_cast<const uint32_t*>(ids_.data()), ids_count_});
  if (poke_ != nullptr) {
    other_->SetPoke(poke_);
  }
  if (cancelled_) {
    other_->Cancel();
  }
}

void SharedCall::GiveUp(absl::Status status) {
  KeepBlocks();
  status_ = std::move(status);
}

void SharedCall::KeepBlocks() {
  std::vector<SharedHeap::Block> blocks;
  blocks.push_back(std::move(ids_));
  blocks.push_back(std::move(answer_));
  link_->Abandon(slot_, std::move(blocks));
}

}  // namespace engram
