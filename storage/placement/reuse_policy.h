// The eviction policy of the RAM tier: keeps the groups that will soonest be used again.
#ifndef ENGRAM_STORAGE_PLACEMENT_REUSE_POLICY_H_
#define ENGRAM_STORAGE_PLACEMENT_REUSE_POLICY_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "storage/placement/eviction_policy.h"
#include "storage/placement/ghost_table.h"
#include "storage/placement/reuse_model.h"

namespace engram::storage {

struct ReusePolicyOptions {
  uint32_t orders = 1;         // of n-grams (NgramOrders::count)
  double ghosts_per_slot = 2;  // groups remembered that are not held; more than 3 gain nothing
  uint64_t random_seed = 0;
};

// Remembers of every group that it holds, and of others that it did or refused, when and how often
// they were used; learns from their returns what such histories are worth (ReuseModel); and evicts
// the least worthy of some that it looks at: random ones, and the worst that it saw before. A
// newcomer that is worth less still is refused, so that a scan passes the cache by.
class ReusePolicy : public EvictionPolicy {
 public:
  explicit ReusePolicy(const ReusePolicyOptions& options);

  uint64_t StateBytes(uint64_t slots) const override;
  void Init(std::byte* state, uint32_t slots) override;
  void OnHit(absl::Span<const SlotId> slots) override;
  void OnInsert(SlotId slot, const GroupKey& group) override;
  void OnRemove(SlotId slot, const GroupKey& group) override;
  std::optional<SlotId> PickVictim(const GroupKey& newcomer) override;
  uint8_t UsesOf(SlotId slot) const override { return Load(slot).uses; }
  uint8_t UsesOf(const GroupKey& group) const override;
  std::optional<SlotId> PickVictimAmong(absl::Span<const SlotId> slots) override;
  GroupPast PastOf(SlotId slot) const override { return Load(slot).Past(Now()); }
  float WorthOf(SlotId slot) const override { return model_.Rank(Load(slot), Now()); }
  void Remember(const GroupKey& group, const GroupPast& past) override;
  void OnRestore(SlotId slot, const GroupKey& group, const GroupPast& past) override;
  std::optional<SlotId> PickVictimFor(const GroupKey& group, const GroupPast& past) override;
  void SetPinned(SlotId slot, bool pinned) override;
  bool IsPinned(SlotId slot) const override { return Load(slot).pinned; }
  uint64_t pinned() const override { return pinned_.load(std::memory_order_relaxed); }
  void OnMove(SlotId from, SlotId to) override;
  std::vector<float> Knowledge() const override { return model_.Observations(); }
  bool Teach(absl::Span<const float> knowledge) override { return model_.Restore(knowledge); }

 private:
  static constexpr size_t kLooks = 16;       // random slots looked at for a victim
  static constexpr size_t kCandidates = 32;  // the worst of them, kept for the next victims
  static constexpr size_t kGhostLooks = 8;

  struct Ranked {
    SlotId slot;
    float rank;

    friend bool operator<(const Ranked& a, const Ranked& b) { return a.rank < b.rank; }
  };
  using RankedSlots = std::array<Ranked, kCandidates + kLooks>;

  uint32_t Now() const {
    return static_cast<uint32_t>(uses_.load(std::memory_order_relaxed) / kUsesPerTick);
  }
  uint64_t GhostsFor(uint64_t slots) const;
  GroupHistory Load(SlotId slot) const;
  void Store(SlotId slot, const GroupHistory& history);
  uint64_t Random(uint64_t below);

  // The history of a group that has just been used, if its past is remembered or not.
  static GroupHistory WithUse(const std::optional<GroupHistory>& past, const GroupKey& group,
                              uint32_t now);
  // The history of a group whose past was told, and of which ghosts may know more.
  GroupHistory Recall(const GroupKey& group, const GroupPast& past, uint32_t now) const;
  void Occupy(SlotId slot, const GroupHistory& history);
  void Vacate(SlotId slot);
  // A slot for a group with this history, which becomes a ghost if all held are pinned or worth
  // more, or, if it loses ties, as much. Whatever it is worth, a pinned one wins against others.
  std::optional<SlotId> PickVictimWorthLess(const GroupKey& group, const GroupHistory& history,
                                            bool loses_ties, uint64_t uses);
  void LookAround(uint64_t uses);
  void AddCandidate(SlotId slot);
  size_t RankCandidates(uint32_t now, RankedSlots* ranked) const;
  void KeepWorst(RankedSlots* ranked, size_t count, SlotId victim);
  // Any slot that is no candidate, nor pinned, of which there is at least one.
  SlotId FindUnpinned();
  void Learn(uint64_t uses);

  const double ghosts_per_slot_;
  ReuseModel model_;
  uint64_t random_;
  std::atomic<uint64_t> uses_{0};
  uint64_t* histories_ = nullptr;  // [slots], accessed atomically
  uint32_t slots_ = 0;
  SlotId end_ = 0;         // one past the highest slot occupied
  uint64_t occupied_ = 0;  // slots
  std::atomic<uint64_t> pinned_{0};
  GhostTable ghosts_;
  uint64_t last_look_ = 0;     // in uses
  uint64_t last_refresh_ = 0;  // likewise
  std::array<SlotId, kCandidates + kLooks> candidates_;
  size_t candidate_count_ = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_REUSE_POLICY_H_
