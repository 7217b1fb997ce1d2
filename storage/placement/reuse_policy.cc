#include "storage/placement/reuse_policy.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>

namespace engram::storage {
namespace {

constexpr uint64_t kLineBytes = 64;

// Observations fade by half in so many uses for each slot, but not in less than that many.
constexpr double kHalfLifeInSlots = 2;
constexpr double kMinHalfLife = 1 << 15;
// However rare evictions, and with them updates, are.
constexpr double kMinKept = 0.5;
// Some ranks are brought up to date every so many uses; more often in a small cache, for which a
// short scan is a long one.
constexpr uint64_t kMinRefreshUses = 256;
constexpr uint64_t kMaxRefreshUses = 2048;
constexpr uint64_t kRefreshesPerTurnover = 32;

// Returns of groups that are held are recorded for one group in eight.
constexpr uint32_t kSampling = 8;

bool IsSampled(const GroupKey& group) { return (group.hash >> 32) % kSampling == 0; }

std::atomic_ref<uint64_t> Atomic(uint64_t& word) { return std::atomic_ref<uint64_t>(word); }

uint64_t OwnBytes(uint64_t slots) {
  return (slots * sizeof(GroupHistory) + kLineBytes - 1) / kLineBytes * kLineBytes;
}

}  // namespace

ReusePolicy::ReusePolicy(const ReusePolicyOptions& options)
    : ghosts_per_slot_(options.ghosts_per_slot),
      model_(options.orders),
      random_(options.random_seed | 1) {}

uint64_t ReusePolicy::GhostsFor(uint64_t slots) const {
  return static_cast<uint64_t>(static_cast<double>(slots) * ghosts_per_slot_);
}

uint64_t ReusePolicy::StateBytes(uint64_t slots) const {
  return OwnBytes(slots) + GhostTable::BytesFor(GhostsFor(slots));
}

void ReusePolicy::Init(std::byte* state, uint32_t slots) {
  histories_ = reinterpret_cast<uint64_t*>(state);
  slots_ = slots;
  ghosts_ = GhostTable(state + OwnBytes(slots), GhostsFor(slots));
}

GroupHistory ReusePolicy::Load(SlotId slot) const {
  return std::bit_cast<GroupHistory>(Atomic(histories_[slot]).load(std::memory_order_relaxed));
}

void ReusePolicy::Store(SlotId slot, const GroupHistory& history) {
  Atomic(histories_[slot]).store(std::bit_cast<uint64_t>(history), std::memory_order_relaxed);
}

void ReusePolicy::OnHit(absl::Span<const SlotId> slots) {
  for (const SlotId slot : slots) __builtin_prefetch(&histories_[slot], 1);
  const uint64_t uses = uses_.fetch_add(slots.size(), std::memory_order_relaxed);
  const auto now = static_cast<uint32_t>(uses / kUsesPerTick);
  for (const SlotId slot : slots) {
    uint64_t word = Atomic(histories_[slot]).load(std::memory_order_relaxed);
    auto history = std::bit_cast<GroupHistory>(word);
    if (history.uses == 0) continue;
    if (history.sampled) model_.RecordReturn(history, now, kSampling);
    history.AddUse(now);
    // Not a plain store, lest a slot removed meanwhile looks occupied, or one pinned or let go
    // meanwhile as before. A lost race is a lost use.
    Atomic(histories_[slot])
        .compare_exchange_weak(word, std::bit_cast<uint64_t>(history), std::memory_order_relaxed);
  }
}

GroupHistory ReusePolicy::WithUse(const std::optional<GroupHistory>& past, const GroupKey& group,
                                  uint32_t now) {
  GroupHistory history = past.value_or(GroupHistory{.order = static_cast<uint8_t>(group.order)});
  history.sampled = IsSampled(group);
  history.AddUse(now);
  return history;
}

GroupHistory ReusePolicy::Recall(const GroupKey& group, const GroupPast& past, uint32_t now) const {
  GroupHistory history = GroupHistory::Of(past, group.order, now);
  if (const auto ghost = ghosts_.Find(group.hash); ghost.has_value()) {
    // Whichever says less of when the group was used says how often it was beside that.
    const int uses = int{ghost->uses} + past.uses;
    if (ghost->Age(now) < past.age) history = *ghost;
    history.uses = static_cast<uint8_t>(std::min(uses, 255));
  }
  history.sampled = IsSampled(group);
  return history;
}

void ReusePolicy::Remember(const GroupKey& group, const GroupPast& past) {
  const uint32_t now = Now();
  ghosts_.Put(group.hash, Recall(group, past, now), model_, now);
}

void ReusePolicy::OnRestore(SlotId slot, const GroupKey& group, const GroupPast& past) {
  const GroupHistory history = Recall(group, past, Now());
  ghosts_.Remove(group.hash);
  Occupy(slot, history);
  if (past.pinned) SetPinned(slot, true);
}

void ReusePolicy::Occupy(SlotId slot, const GroupHistory& history) {
  assert(slot < slots_ && history.uses > 0);
  end_ = std::max(end_, slot + 1);
  ++occupied_;
  Store(slot, history);
  AddCandidate(slot);
}

void ReusePolicy::Vacate(SlotId slot) {
  --occupied_;
  Store(slot, GroupHistory());
  while (end_ > 0 && Load(end_ - 1).uses == 0) --end_;
}

void ReusePolicy::OnInsert(SlotId slot, const GroupKey& group) {
  const uint64_t uses = uses_.fetch_add(1, std::memory_order_relaxed);
  const auto now = static_cast<uint32_t>(uses / kUsesPerTick);
  const std::optional<GroupHistory> past = ghosts_.Find(group.hash);
  if (past.has_value()) {
    model_.RecordReturn(*past, now, 1);
    ghosts_.Remove(group.hash);
  }
  Occupy(slot, WithUse(past, group, now));
}

void ReusePolicy::OnRemove(SlotId slot, const GroupKey& group) {
  SetPinned(slot, false);
  ghosts_.Put(group.hash, Load(slot), model_, Now());
  Vacate(slot);
}

void ReusePolicy::SetPinned(SlotId slot, bool pinned) {
  const auto bit = std::bit_cast<uint64_t>(GroupHistory{.pinned = true});
  const auto word = Atomic(histories_[slot]);
  const uint64_t before = pinned ? word.fetch_or(bit, std::memory_order_relaxed)
                                 : word.fetch_and(~bit, std::memory_order_relaxed);
  if (((before & bit) != 0) == pinned) return;
  pinned_.fetch_add(pinned ? 1 : ~uint64_t{0}, std::memory_order_relaxed);
  if (!pinned) AddCandidate(slot);
}

void ReusePolicy::OnMove(SlotId from, SlotId to) {
  Occupy(to, Load(from));
  Vacate(from);
}

uint64_t ReusePolicy::Random(uint64_t below) {  // Marsaglia's xorshift
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  return static_cast<uint64_t>(static_cast<unsigned __int128>(random_) * below >> 64);
}

std::optional<SlotId> ReusePolicy::PickVictim(const GroupKey& newcomer) {
  const uint64_t uses = uses_.load(std::memory_order_relaxed);
  const auto now = static_cast<uint32_t>(uses / kUsesPerTick);
  const std::optional<GroupHistory> past = ghosts_.Find(newcomer.hash);
  const auto victim = PickVictimWorthLess(newcomer, WithUse(past, newcomer, now), false, uses);
  if (!victim.has_value()) {
    uses_.fetch_add(1, std::memory_order_relaxed);
    if (past.has_value()) model_.RecordReturn(*past, now, 1);
  }
  return victim;
}

std::optional<SlotId> ReusePolicy::PickVictimFor(const GroupKey& group, const GroupPast& past) {
  const uint64_t uses = uses_.load(std::memory_order_relaxed);
  const auto now = static_cast<uint32_t>(uses / kUsesPerTick);
  GroupHistory history = Recall(group, past, now);
  history.pinned = past.pinned;
  return PickVictimWorthLess(group, history, true, uses);
}

std::optional<SlotId> ReusePolicy::PickVictimWorthLess(const GroupKey& group,
                                                       const GroupHistory& history, bool loses_ties,
                                                       uint64_t uses) {
  const auto now = static_cast<uint32_t>(uses / kUsesPerTick);
  Learn(uses);
  LookAround(uses);
  if (occupied_ == pinned()) {
    ghosts_.Put(group.hash, history, model_, now);
    return std::nullopt;
  }
  RankedSlots ranked;
  const size_t count = RankCandidates(now, &ranked);
  if (count == 0) return FindUnpinned();
  const Ranked victim = *std::min_element(ranked.begin(), ranked.begin() + count);
  const float rank = model_.Rank(history, now);
  if (!history.pinned && (rank < victim.rank || (loses_ties && rank == victim.rank))) {
    ghosts_.Put(group.hash, history, model_, now);
    KeepWorst(&ranked, count, slots_);
    return std::nullopt;
  }
  KeepWorst(&ranked, count, victim.slot);
  return victim.slot;
}

size_t ReusePolicy::RankCandidates(uint32_t now, RankedSlots* ranked) const {
  size_t count = 0;
  for (size_t i = 0; i < candidate_count_; ++i) {
    const GroupHistory history = Load(candidates_[i]);
    if (history.uses == 0 || history.pinned) continue;
    (*ranked)[count++] = {candidates_[i], model_.Rank(history, now)};
  }
  return count;
}

// Makes them the candidates, but for the victim, if it is one of them.
void ReusePolicy::KeepWorst(RankedSlots* ranked, size_t count, SlotId victim) {
  const auto begin = ranked->begin();
  const size_t kept = std::min(count, kCandidates + 1);
  if (kept < count) {
    std::nth_element(begin, begin + kept, begin + count);
  }
  candidate_count_ = 0;
  for (auto it = begin; it != begin + kept; ++it) {
    if (it->slot != victim && candidate_count_ < kCandidates) {
      candidates_[candidate_count_++] = it->slot;
    }
  }
}

SlotId ReusePolicy::FindUnpinned() {
  const auto may_go = [](const GroupHistory& history) {
    return history.uses > 0 && !history.pinned;
  };
  auto slot = static_cast<SlotId>(Random(end_));
  while (!may_go(Load(slot))) slot = (slot + 1) % end_;
  return slot;
}

void ReusePolicy::AddCandidate(SlotId slot) {
  const auto end = candidates_.begin() + candidate_count_;
  if (end != candidates_.end() && std::find(candidates_.begin(), end, slot) == end) {
    candidates_[candidate_count_++] = slot;
  }
}

// Adds random slots to the candidates, and records what groups wait.
void ReusePolicy::LookAround(uint64_t uses) {
  std::array<SlotId, kLooks> looks;
  for (SlotId& slot : looks) {
    slot = static_cast<SlotId>(Random(end_));
    __builtin_prefetch(&histories_[slot]);
  }
  std::array<uint64_t, kGhostLooks> ghosts;
  for (uint64_t& place : ghosts) ghosts_.Prefetch(place = Random(ghosts_.capacity()));

  const auto now = static_cast<uint32_t>(uses / kUsesPerTick);
  const auto ticks = static_cast<float>(uses - last_look_) / kUsesPerTick;
  last_look_ = uses;
  candidate_count_ = std::min(candidate_count_, kCandidates);
  const float waited = ticks * static_cast<float>(end_) / kLooks;
  for (const SlotId slot : looks) {
    const GroupHistory history = Load(slot);
    if (history.uses == 0) continue;
    model_.RecordWait(history, now, waited);
    if (!history.pinned) AddCandidate(slot);
  }
  if (ghosts_.capacity() == 0) return;
  const float ghosts_waited = ticks * static_cast<float>(ghosts_.capacity()) / kGhostLooks;
  for (const uint64_t place : ghosts) {
    if (const auto history = ghosts_.At(place); history.has_value()) {
      model_.RecordWait(*history, now, ghosts_waited);
    }
  }
}

void ReusePolicy::Learn(uint64_t uses) {
  if (uses - last_refresh_ <
      std::clamp(end_ / kRefreshesPerTurnover, kMinRefreshUses, kMaxRefreshUses)) {
    return;
  }
  const double half_life = std::max(kHalfLifeInSlots * end_, kMinHalfLife);
  const double round = static_cast<double>(uses - last_refresh_) * model_.turns();
  last_refresh_ = uses;
  model_.Refresh(static_cast<float>(std::max(kMinKept, std::exp2(-round / half_life))));
}

uint8_t ReusePolicy::UsesOf(const GroupKey& group) const {
  return ghosts_.Find(group.hash).value_or(GroupHistory{.uses = 1}).uses;
}

std::optional<SlotId> ReusePolicy::PickVictimAmong(absl::Span<const SlotId> slots) {
  const uint32_t now = Now();
  std::optional<Ranked> victim;
  for (const SlotId slot : slots) {
    const GroupHistory history = Load(slot);
    if (history.pinned) continue;
    const Ranked ranked = {slot, model_.Rank(history, now)};
    if (!victim.has_value() || ranked < *victim) victim = ranked;
  }
  if (!victim.has_value()) return std::nullopt;
  return victim->slot;
}

}  // namespace engram::storage
