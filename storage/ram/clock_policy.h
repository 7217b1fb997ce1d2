// The default eviction policy: a clock with frequencies.
#ifndef ENGRAM_STORAGE_RAM_CLOCK_POLICY_H_
#define ENGRAM_STORAGE_RAM_CLOCK_POLICY_H_

#include <cstddef>
#include <cstdint>

#include "storage/ram/eviction_policy.h"

namespace engram::storage {

// Generalised CLOCK, one byte a slot. Hits raise a slot's frequency, up to 3. A hand goes round:
// it lowers each frequency that it passes, and evicts where there is none left, so that old
// frequencies fade. A newcomer starts at none; it gets a slot evicted lately, which the hand has
// just passed, and so has about one turn to be hit. Admits everything.
class ClockPolicy : public EvictionPolicy {
 public:
  size_t bytes_per_slot() const override { return 1; }
  void Init(std::byte* state, uint32_t slots) override;
  void OnHit(absl::Span<const SlotId> slots) override;
  bool ShouldAdmit(uint64_t group_hash) override;
  void OnInsert(SlotId slot, uint64_t group_hash) override;
  void OnRemove(SlotId slot) override;
  SlotId PickVictim() override;
  SlotId PickVictimAmong(absl::Span<const SlotId> slots) override;

 private:
  // A slot's state: 0 if it is empty, else its frequency + 1.
  static constexpr uint8_t kEmpty = 0;
  static constexpr uint8_t kNewcomer = 1;
  static constexpr uint8_t kMaxState = 4;
  // Occupied slots that the hand passes at most for one victim; then the coldest of them goes.
  static constexpr uint32_t kMaxSteps = 4096;

  uint8_t* state_ = nullptr;  // accessed atomically
  uint32_t slots_ = 0;
  uint32_t end_ = 0;  // one past the highest slot ever occupied: where the hand turns back
  SlotId hand_ = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_RAM_CLOCK_POLICY_H_
