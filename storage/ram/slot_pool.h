// The memory of a cache, as slots of equal size.
#ifndef ENGRAM_STORAGE_RAM_SLOT_POOL_H_
#define ENGRAM_STORAGE_RAM_SLOT_POOL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "storage/placement/eviction_policy.h"
#include "storage/ram/byte_budget.h"
#include "storage/ram/huge_region.h"
#include "storage/ram/reader_epochs.h"

namespace engram::storage {

// Slots stand side by side in one region that grows and shrinks at its end, so that a slot's
// address is one multiplication away. A slot that was retired is handed out again, and memory
// given back, only when every reader that entered before has left.
//
// Readers call Enter and Slot; all else is the business of one thread at a time.
class SlotPool {
 public:
  // slot_bytes: a multiple of sizeof(SlotId);  step_bytes: grows and shrinks by multiples of it
  SlotPool(std::shared_ptr<ByteBudget> budget, uint64_t slot_bytes, uint64_t max_slots,
           uint64_t step_bytes);

  // While the guard lives, no slot that was found before is reused.
  [[nodiscard]] ReaderEpochs::Guard Enter() { return epochs_.Enter(); }

  std::byte* Slot(SlotId slot) const { return region_.data() + slot * slot_bytes_; }

  // A slot that nobody uses or reads, if there is one now.
  std::optional<SlotId> Take();

  // Takes back a slot that readers can no longer find, but may have found.
  void Retire(SlotId slot);
  size_t retired() const;        // slots waiting for readers
  size_t retired_limit() const;  // Retire no more than this; at least 1

  // Makes retired slots free, and completes a shrink, as far as readers allow.
  void Reclaim();

  // The bytes by which the next Grow would grow; 0 if the pool is as large as it may be.
  uint64_t NextGrowth() const;

  // Makes room for at least one slot more. Fails during a shrink, without room in the budget beside
  // `headroom`, and at max_slots.
  bool Grow(uint64_t headroom);

  // Starts to give back at least `bytes`, or all there is. Slots from the returned number on are
  // handed out no more; the caller makes them unfindable before its next call of Reclaim. One
  // shrink at a time.
  SlotId BeginShrink(uint64_t bytes);
  bool shrinking() const { return shrink_epoch_ != 0; }
  // For a caller who has slots left that can be found for some time yet: from the one call to the
  // other no memory is given back.
  void PostponeShrink() { shrink_postponed_ = true; }
  void ResumeShrink();

  SlotId end() const { return end_; }  // slots from here on were never handed out
  uint64_t bytes() const { return region_.bytes(); }

 private:
  void PushFree(SlotId slot);
  SlotId UsableSlots() const;

  const uint64_t slot_bytes_;
  const uint64_t max_slots_;
  const uint64_t step_bytes_;
  ReaderEpochs epochs_;
  HugeRegion region_;
  SlotId usable_ = 0;  // slots that fit what the region keeps
  SlotId end_ = 0;
  // Free slots below end_, linked through their memory; kNoSlot ends the list.
  SlotId first_free_;
  // Retired slots by epoch modulo 3: retired in this epoch, in the last one, and (empty) the one
  // before, which no reader can see any more.
  std::array<std::vector<SlotId>, 3> retired_;
  uint64_t shrink_epoch_ = 0;  // when the shrink began, or was resumed; 0: none
  bool shrink_postponed_ = false;
  uint64_t shrink_to_bytes_ = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_RAM_SLOT_POOL_H_
