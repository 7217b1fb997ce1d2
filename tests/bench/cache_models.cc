#include "tests/bench/cache_models.h"

#include <algorithm>
#include <vector>

namespace engram::bench {
namespace {

constexpr uint8_t kNowhere = 0xFF;

// Queues of groups; a group stands in one at most.
class GroupQueues {
 public:
  GroupQueues(uint32_t groups, uint8_t queues)
      : groups_(groups), links_(groups + queues), queue_of_(groups, kNowhere), sizes_(queues) {
    for (uint32_t head = groups; head < links_.size(); ++head) links_[head] = {head, head};
  }

  uint8_t QueueOf(uint32_t group) const { return queue_of_[group]; }
  uint32_t size(uint8_t queue) const { return sizes_[queue]; }
  // The one that came first; the queue is not empty.
  uint32_t Oldest(uint8_t queue) const { return links_[groups_ + queue].next; }

  // Moves it to the end of a queue from wherever it stands.
  void Push(uint8_t queue, uint32_t group) {
    if (queue_of_[group] != kNowhere) Remove(group);
    const uint32_t head = groups_ + queue;
    links_[group] = {links_[head].previous, head};
    links_[links_[head].previous].next = group;
    links_[head].previous = group;
    queue_of_[group] = queue;
    ++sizes_[queue];
  }

  void Remove(uint32_t group) {
    const Link link = links_[group];
    links_[link.previous].next = link.next;
    links_[link.next].previous = link.previous;
    --sizes_[queue_of_[group]];
    queue_of_[group] = kNowhere;
  }

 private:
  struct Link {
    uint32_t previous;
    uint32_t next;
  };

  const uint32_t groups_;
  std::vector<Link> links_;  // of the groups, then of the queues' heads
  std::vector<uint8_t> queue_of_;
  std::vector<uint32_t> sizes_;
};

class Lru : public CacheModel {
 public:
  Lru(uint32_t groups, uint32_t slots) : slots_(slots), queues_(groups, 1) {}

  bool Use(uint32_t group) override {
    const bool held = queues_.QueueOf(group) != kNowhere;
    if (!held && queues_.size(0) == slots_) queues_.Remove(queues_.Oldest(0));
    queues_.Push(0, group);
    return held;
  }

 private:
  const uint32_t slots_;
  GroupQueues queues_;
};

class S3Fifo : public CacheModel {
 public:
  S3Fifo(uint32_t groups, uint32_t slots)
      : small_slots_(slots / 10),
        main_slots_(slots - small_slots_),
        queues_(groups, 3),
        uses_(groups) {}

  bool Use(uint32_t group) override {
    const uint8_t queue = queues_.QueueOf(group);
    if (queue == kSmall || queue == kMain) {
      uses_[group] = static_cast<uint8_t>(std::min(uses_[group] + 1, kMaxUses));
      return true;
    }
    while (queues_.size(kSmall) + queues_.size(kMain) >= small_slots_ + main_slots_) {
      if (queues_.size(kSmall) >= small_slots_) {
        LeaveSmall();
      } else {
        EvictFromMain();
      }
    }
    uses_[group] = 0;
    queues_.Push(queue == kGhost ? kMain : kSmall, group);
    return false;
  }

 private:
  static constexpr uint8_t kSmall = 0;
  static constexpr uint8_t kMain = 1;
  static constexpr uint8_t kGhost = 2;
  static constexpr int kMaxUses = 3;
  static constexpr int kUsesToStay = 2;

  void LeaveSmall() {
    const uint32_t group = queues_.Oldest(kSmall);
    if (uses_[group] >= kUsesToStay) {
      uses_[group] = 0;
      queues_.Push(kMain, group);
      if (queues_.size(kMain) > main_slots_) EvictFromMain();
      return;
    }
    if (queues_.size(kGhost) == main_slots_) queues_.Remove(queues_.Oldest(kGhost));
    queues_.Push(kGhost, group);
  }

  void EvictFromMain() {
    uint32_t group = queues_.Oldest(kMain);
    for (; uses_[group] > 0; group = queues_.Oldest(kMain)) {
      --uses_[group];
      queues_.Push(kMain, group);
    }
    queues_.Remove(group);
  }

  const uint32_t small_slots_;
  const uint32_t main_slots_;
  GroupQueues queues_;
  std::vector<uint8_t> uses_;
};

class WTinyLfu : public CacheModel {
 public:
  WTinyLfu(uint32_t groups, uint32_t slots)
      : window_slots_(std::max<uint32_t>(1, slots / 100)),
        main_slots_(slots - window_slots_),
        protected_slots_(static_cast<uint32_t>(uint64_t{main_slots_} * 8 / 10)),
        ageing_uses_(uint64_t{10} * slots),
        queues_(groups, 3),
        counts_(groups) {}

  bool Use(uint32_t group) override {
    Count(group);
    const uint8_t queue = queues_.QueueOf(group);
    if (queue == kNowhere) {
      queues_.Push(kWindow, group);
      if (queues_.size(kWindow) > window_slots_) LeaveWindow(queues_.Oldest(kWindow));
      return false;
    }
    queues_.Push(queue == kWindow ? kWindow : kProtected, group);
    if (queues_.size(kProtected) > protected_slots_) {
      queues_.Push(kProbation, queues_.Oldest(kProtected));
    }
    return true;
  }

 private:
  static constexpr uint8_t kWindow = 0;
  static constexpr uint8_t kProbation = 1;
  static constexpr uint8_t kProtected = 2;
  static constexpr int kMaxCount = 15;

  void Count(uint32_t group) {
    counts_[group] = static_cast<uint8_t>(std::min(counts_[group] + 1, kMaxCount));
    if (++uses_ < ageing_uses_) return;
    uses_ = 0;
    for (uint8_t& count : counts_) count /= 2;
  }

  void LeaveWindow(uint32_t newcomer) {
    if (queues_.size(kProbation) + queues_.size(kProtected) == main_slots_) {
      const uint32_t victim =
          queues_.Oldest(queues_.size(kProbation) > 0 ? kProbation : kProtected);
      if (counts_[newcomer] <= counts_[victim]) {
        queues_.Remove(newcomer);
        return;
      }
      queues_.Remove(victim);
    }
    queues_.Push(kProbation, newcomer);
  }

  const uint32_t window_slots_;
  const uint32_t main_slots_;
  const uint32_t protected_slots_;
  const uint64_t ageing_uses_;
  GroupQueues queues_;
  std::vector<uint8_t> counts_;
  uint64_t uses_ = 0;  // since counts were halved
};

}  // namespace

std::unique_ptr<CacheModel> NewLru(uint32_t groups, uint32_t slots) {
  return std::make_unique<Lru>(groups, slots);
}

std::unique_ptr<CacheModel> NewS3Fifo(uint32_t groups, uint32_t slots) {
  return std::make_unique<S3Fifo>(groups, slots);
}

std::unique_ptr<CacheModel> NewWTinyLfu(uint32_t groups, uint32_t slots) {
  return std::make_unique<WTinyLfu>(groups, slots);
}

}  // namespace engram::bench
