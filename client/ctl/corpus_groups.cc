#include "client/ctl/corpus_groups.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <tuple>

#include "absl/hash/hash.h"

namespace engram::ctl {
namespace {

// The part of a corpus that the rest is judged by.
constexpr double kLastPart = 0.2;

constexpr size_t kOrders = 8;  // that are told apart
constexpr std::array<uint32_t, 10> kUseSteps = {1, 2, 3, 4, 5, 7, 11, 21, 51, 201};
constexpr size_t kAgeSteps = 65;  // doublings
constexpr size_t kClasses = kOrders * kUseSteps.size() * kAgeSteps;

// A class that fewer groups were in is judged by the first guess as well.
constexpr double kGuessedGroups = 10;

}  // namespace

CorpusGroups::CorpusGroups(size_t group_size, size_t orders, uint64_t total_uses)
    : group_size_(group_size),
      last_part_(static_cast<uint64_t>((1 - kLastPart) * static_cast<double>(total_uses))),
      total_uses_(std::max<uint64_t>(total_uses, orders)) {}

void CorpusGroups::Use(absl::Span<const uint32_t> ids, size_t order) {
  if (now_ == last_part_) BeginLastPart();
  ++now_;
  const uint64_t hash = absl::HashOf(ids);
  const auto [found, is_new] = index_.try_emplace(hash, static_cast<uint32_t>(groups_.size()));
  if (is_new) {
    groups_.push_back({.order = static_cast<uint8_t>(std::min(order, kOrders - 1))});
    row_ids_.insert(row_ids_.end(), ids.begin(), ids.end());
  }
  Group& group = groups_[found->second];
  if (group.uses > 0) group.gap = now_ - group.last_use;
  ++group.uses;
  group.last_use = now_;
}

void CorpusGroups::BeginLastPart() {
  for (Group& group : groups_) {
    group.early_uses = group.uses;
    group.early_last_use = group.last_use;
  }
}

CorpusGroups::Past CorpusGroups::PastOf(size_t group) const {
  const Group& used = groups_[group];
  return {.uses = used.uses, .age = now_ - used.last_use, .gap = used.gap};
}

size_t CorpusGroups::ClassOf(uint32_t uses, uint64_t age, uint8_t order) {
  const auto above = std::upper_bound(kUseSteps.begin(), kUseSteps.end(), uses);
  const auto use_step = static_cast<size_t>(above - kUseSteps.begin() - 1);
  const auto age_step = static_cast<size_t>(std::bit_width(age));
  return (order * kUseSteps.size() + use_step) * kAgeSteps + age_step;
}

std::vector<double> CorpusGroups::LearnWorths() const {
  std::vector<double> uses(kClasses);
  std::vector<double> groups(kClasses);
  for (const Group& group : groups_) {
    if (group.early_uses == 0) continue;
    const size_t in = ClassOf(group.early_uses, last_part_ - group.early_last_use, group.order);
    uses[in] += group.uses - group.early_uses;
    groups[in] += 1;
  }
  // At first: a group with n uses comes back at a rate of about n / (3 age).
  const double duration = static_cast<double>(total_uses_ - last_part_);
  std::vector<double> worths(kClasses);
  for (size_t in = 0; in < kClasses; ++in) {
    const double age = static_cast<double>(uint64_t{1} << std::min<size_t>(in % kAgeSteps, 63));
    const double count = kUseSteps[in / kAgeSteps % kUseSteps.size()];
    const double guess = std::min(count, count * duration / (3 * age));
    worths[in] = (uses[in] + kGuessedGroups * guess) / (groups[in] + kGuessedGroups);
  }
  return worths;
}

std::vector<uint32_t> CorpusGroups::ByWorth() const {
  const std::vector<double> worths = LearnWorths();
  std::vector<double> worth_of(groups_.size());
  for (size_t i = 0; i < groups_.size(); ++i) {
    const Past past = PastOf(i);
    worth_of[i] = worths[ClassOf(past.uses, past.age, groups_[i].order)];
  }
  std::vector<uint32_t> order(groups_.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return std::make_tuple(worth_of[b], groups_[b].last_use) <
           std::make_tuple(worth_of[a], groups_[a].last_use);
  });
  return order;
}

}  // namespace engram::ctl
