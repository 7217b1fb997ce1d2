// Tells a group's n-gram order from its first row.
#ifndef ENGRAM_STORAGE_PLACEMENT_NGRAM_ORDERS_H_
#define ENGRAM_STORAGE_PLACEMENT_NGRAM_ORDERS_H_

#include <algorithm>
#include <cstdint>

#include "storage/table_spec.h"

namespace engram::storage {

// An Engram table gives each order the same share of its rows, one order after the other, up to the
// small differences of the heads' primes (engram_vocab_size of a model's configuration is where the
// search for them starts); an order's first head, which names the first row of a group, has the
// first of its `group_size` parts. For a table of another kind the answer is a number without
// meaning, but the same for a group each time.
class NgramOrders {
 public:
  explicit NgramOrders(const TableSpec& spec)
      : count_(std::max<uint32_t>(1, static_cast<uint32_t>(spec.orders.size()))),
        rows_(std::max<uint64_t>(1, spec.rows)),
        half_head_(rows_ / (uint64_t{2} * count_ * spec.group_size)) {}

  uint32_t count() const { return count_; }  // at least 1

  // 0 .. count() - 1: an index of TableSpec::orders.
  uint32_t IndexOf(RowId first_row) const {
    const uint64_t index = (first_row + half_head_) * count_ / rows_;
    return std::min(static_cast<uint32_t>(index), count_ - 1);
  }

 private:
  uint32_t count_;
  uint64_t rows_;
  uint64_t half_head_;  // keeps a first row just before its order's even share from the order below
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_PLACEMENT_NGRAM_ORDERS_H_
