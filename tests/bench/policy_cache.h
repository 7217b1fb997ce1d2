// The store's eviction policy with a cache of groups without rows.
#ifndef ENGRAM_TESTS_BENCH_POLICY_CACHE_H_
#define ENGRAM_TESTS_BENCH_POLICY_CACHE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "storage/placement/eviction_policy.h"
#include "storage/placement/lower_tier.h"
#include "tests/bench/cache_models.h"

namespace engram::bench {

// Calls a policy as GroupCache does where groups are looked up one by one, each that was missed is
// offered at once, and no reader is slow. Not for use by several threads.
class PolicyCache : public CacheModel {
 public:
  static constexpr storage::SlotId kNoSlot = std::numeric_limits<storage::SlotId>::max();

  // keys: [groups], outlives the cache, and so does `lower`, which may be null and is told that a
  // group's number is its id and its row
  PolicyCache(const std::vector<storage::GroupKey>& keys,
              std::unique_ptr<storage::EvictionPolicy> policy, uint32_t slots,
              storage::LowerTier* lower = nullptr);

  bool Use(uint32_t group) override;

  bool holds(uint32_t group) const { return slot_of_[group] != kNoSlot; }

  // What PickVictim answered since ForgetPicks; kNoSlot: none.
  absl::Span<const storage::SlotId> picks() const { return picks_; }
  void ForgetPicks() { picks_.clear(); }

 private:
  struct alignas(64) Line {
    std::array<std::byte, 64> bytes;
  };

  void Leave(uint32_t group, uint8_t uses);

  const std::vector<storage::GroupKey>& keys_;
  const std::unique_ptr<storage::EvictionPolicy> policy_;
  storage::LowerTier* const lower_;
  std::vector<Line> state_;
  std::vector<storage::SlotId> slot_of_;  // [groups]; kNoSlot: not held
  std::vector<uint32_t> group_in_;        // [slots]
  uint32_t held_ = 0;
  std::vector<storage::SlotId> picks_;
};

// The RAM tier's policy, as TieredStore makes it.
std::unique_ptr<storage::EvictionPolicy> NewRamPolicy(uint32_t orders);

// Does nothing, but picks the victims that another policy picked: what remains is the cost of what
// surrounds a policy.
class RecordedPolicy : public storage::EvictionPolicy {
 public:
  // picks: of PolicyCache; outlive all calls up to the next SetPicks
  void SetPicks(absl::Span<const storage::SlotId> picks) { picks_ = picks; }

  uint64_t StateBytes(uint64_t /*slots*/) const override { return 0; }
  void Init(std::byte* /*state*/, uint32_t /*slots*/) override {}
  void OnHit(absl::Span<const storage::SlotId> /*slots*/) override {}
  void OnInsert(storage::SlotId /*slot*/, const storage::GroupKey& /*group*/) override {}
  void OnRemove(storage::SlotId /*slot*/, const storage::GroupKey& /*group*/) override {}
  std::optional<storage::SlotId> PickVictim(const storage::GroupKey& newcomer) override;
  uint8_t UsesOf(storage::SlotId /*slot*/) const override { return 1; }
  uint8_t UsesOf(const storage::GroupKey& /*group*/) const override { return 1; }
  std::optional<storage::SlotId> PickVictimAmong(absl::Span<const storage::SlotId> slots) override {
    return slots.front();
  }
  storage::GroupPast PastOf(storage::SlotId /*slot*/) const override { return {.uses = 1}; }
  float WorthOf(storage::SlotId /*slot*/) const override { return 0; }
  void Remember(const storage::GroupKey& /*group*/, const storage::GroupPast& /*past*/) override {}
  void OnRestore(storage::SlotId /*slot*/, const storage::GroupKey& /*group*/,
                 const storage::GroupPast& /*past*/) override {}
  std::optional<storage::SlotId> PickVictimFor(const storage::GroupKey& group,
                                               const storage::GroupPast& /*past*/) override {
    return PickVictim(group);
  }
  void SetPinned(storage::SlotId /*slot*/, bool /*pinned*/) override {}
  bool IsPinned(storage::SlotId /*slot*/) const override { return false; }
  uint64_t pinned() const override { return 0; }
  void OnMove(storage::SlotId /*from*/, storage::SlotId /*to*/) override {}
  std::vector<float> Knowledge() const override { return {}; }
  bool Teach(absl::Span<const float> /*knowledge*/) override { return false; }

 private:
  absl::Span<const storage::SlotId> picks_;
};

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_POLICY_CACHE_H_
