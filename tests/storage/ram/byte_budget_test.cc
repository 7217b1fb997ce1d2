// Goal: the limit holds, whatever is asked for and by however many threads.
#include "storage/ram/byte_budget.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace engram::storage {
namespace {

TEST(ByteBudgetTest, ReservesUpToTheLimitExactly) {
  ByteBudget budget(100);
  EXPECT_TRUE(budget.TryReserve(60));
  EXPECT_FALSE(budget.TryReserve(41));
  EXPECT_EQ(budget.used_bytes(), 60u);
  EXPECT_TRUE(budget.TryReserve(40));
  EXPECT_FALSE(budget.TryReserve(1));
  EXPECT_TRUE(budget.TryReserve(0));
  budget.Release(100);
  EXPECT_EQ(budget.used_bytes(), 0u);
  EXPECT_EQ(budget.limit_bytes(), 100u);
}

TEST(ByteBudgetTest, LeavesHeadroom) {
  ByteBudget budget(100);
  EXPECT_FALSE(budget.TryReserve(60, 41));
  EXPECT_TRUE(budget.TryReserve(60, 40));
  EXPECT_FALSE(budget.TryReserve(1, 40));
}

TEST(ByteBudgetTest, HugeRequestsDoNotOverflow) {
  ByteBudget budget(~uint64_t{0});
  EXPECT_TRUE(budget.TryReserve(~uint64_t{0} - 1));
  EXPECT_FALSE(budget.TryReserve(~uint64_t{0}));
  EXPECT_FALSE(budget.TryReserve(1, ~uint64_t{0}));
  EXPECT_TRUE(budget.TryReserve(1));
}

TEST(ByteBudgetTest, ConcurrentReservationsNeverExceedTheLimit) {
  ByteBudget budget(1000);
  std::vector<std::thread> threads;
  for (uint64_t bytes : {7, 300, 600}) {
    threads.emplace_back([&budget, bytes] {
      for (int i = 0; i < 20000; ++i) {
        const bool reserved = budget.TryReserve(bytes);
        ASSERT_LE(budget.used_bytes(), 1000u);
        if (reserved) budget.Release(bytes);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(budget.used_bytes(), 0u);
}

}  // namespace
}  // namespace engram::storage
