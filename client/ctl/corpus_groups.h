// The n-gram groups that a corpus uses of one table, and which of them are worth holding.
#ifndef ENGRAM_CLIENT_CTL_CORPUS_GROUPS_H_
#define ENGRAM_CLIENT_CTL_CORPUS_GROUPS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"

namespace engram::ctl {

// Counts uses in the order of the corpus. Takes some 100 bytes a group. For one thread.
class CorpusGroups {
 public:
  // A group's uses; times are told by the uses of all groups.
  struct Past {
    uint32_t uses = 0;
    uint64_t age = 0;  // since the last one
    uint64_t gap = 0;  // between the last two; 0 if there is one
  };

  // orders: n-gram orders, at least 1;  total_uses: that will come, for what is learned of them
  CorpusGroups(size_t group_size, size_t orders, uint64_t total_uses);

  // ids: [group_size];  order: index of the group's n-gram order
  void Use(absl::Span<const uint32_t> ids, size_t order);

  size_t size() const { return groups_.size(); }
  absl::Span<const uint32_t> IdsOf(size_t group) const {
    return absl::MakeConstSpan(row_ids_).subspan(group * group_size_, group_size_);
  }
  Past PastOf(size_t group) const;

  // The groups, most worthy first: those of which, by number of uses, age and order, most uses are
  // to be expected, judging by what the last part of the corpus used of what came before it.
  std::vector<uint32_t> ByWorth() const;

 private:
  struct Group {
    uint64_t last_use = 0;
    uint64_t gap = 0;
    uint32_t uses = 0;
    uint32_t early_uses = 0;  // before the last part
    uint64_t early_last_use = 0;
    uint8_t order = 0;
  };

  static size_t ClassOf(uint32_t uses, uint64_t age, uint8_t order);
  // By class, the uses that a group of it had in the last part of the corpus.
  std::vector<double> LearnWorths() const;
  void BeginLastPart();

  const size_t group_size_;
  const uint64_t last_part_;  // when it begins
  const uint64_t total_uses_;
  uint64_t now_ = 0;
  absl::flat_hash_map<uint64_t, uint32_t> index_;  // by a hash of the ids
  std::vector<Group> groups_;
  std::vector<uint32_t> row_ids_;  // [groups x group_size]
};

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_CORPUS_GROUPS_H_
