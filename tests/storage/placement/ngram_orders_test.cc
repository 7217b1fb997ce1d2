// Goal: every group of an Engram table is told its order, though the orders' shares are not even.
#include "storage/placement/ngram_orders.h"

#include <gtest/gtest.h>

namespace engram::storage {
namespace {

TEST(NgramOrdersTest, FollowsTheSharesOfATable) {
  // Heads of growing primes, as an Engram configuration makes them: 2 orders of 4 heads.
  const uint64_t heads[] = {1009, 1013, 1019, 1021, 1031, 1033, 1039, 1049};
  TableSpec spec;
  spec.group_size = 4;
  spec.orders = {2, 3};
  for (const uint64_t head : heads) spec.rows += head;
  const RowId second_order = 1009 + 1013 + 1019 + 1021;
  ASSERT_LT(second_order, spec.rows / 2);  // the even share would be wrong

  const NgramOrders orders(spec);
  EXPECT_EQ(orders.count(), 2u);
  for (RowId row = 0; row < 1009; ++row) ASSERT_EQ(orders.IndexOf(row), 0u) << row;
  for (RowId row = second_order; row < second_order + 1031; ++row) {
    ASSERT_EQ(orders.IndexOf(row), 1u) << row;
  }
}

TEST(NgramOrdersTest, AnyTableHasAnAnswerForEveryRow) {
  TableSpec spec;
  for (const uint64_t rows : {uint64_t{1}, uint64_t{7}, kMaxRows}) {
    for (const size_t count : {0, 1, 3, 64}) {
      spec.rows = rows;
      spec.orders.assign(count, 2);
      const NgramOrders orders(spec);
      EXPECT_EQ(orders.count(), std::max<size_t>(1, count));
      EXPECT_EQ(orders.IndexOf(0), 0u);
      EXPECT_LT(orders.IndexOf(static_cast<RowId>(rows - 1)), orders.count());
    }
  }
}

}  // namespace
}  // namespace engram::storage
