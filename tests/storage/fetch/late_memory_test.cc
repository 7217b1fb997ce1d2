#include "storage/fetch/late_memory.h"

#include <gmock/gmock.h>

#include <vector>

namespace engram::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class LateMemoryTest : public testing::Test {
 protected:
  std::optional<LateMemory::Id> Take(uint64_t bytes, int who = 0) {
    return memory_.Take(bytes, [this, who] { ready_.push_back(who); });
  }

  LateMemory memory_{100};
  std::vector<int> ready_;
};

TEST_F(LateMemoryTest, WhatFindsRoomIsTakenAtOnce) {
  EXPECT_FALSE(Take(60).has_value());
  EXPECT_FALSE(Take(40).has_value());
  EXPECT_EQ(memory_.used_bytes(), 100U);
  memory_.Give(100);
  EXPECT_EQ(memory_.used_bytes(), 0U);
  EXPECT_THAT(ready_, IsEmpty());
}

TEST_F(LateMemoryTest, TheFirstThatWaitsIsServedFirst) {
  EXPECT_FALSE(Take(100).has_value());
  EXPECT_TRUE(Take(50, 1).has_value());
  EXPECT_TRUE(Take(20, 2).has_value());
  EXPECT_TRUE(Take(50, 3).has_value());
  memory_.Give(40);
  EXPECT_THAT(ready_, IsEmpty());  // the second would fit, and does not overtake
  EXPECT_EQ(memory_.used_bytes(), 60U);
  memory_.Give(30);
  EXPECT_THAT(ready_, ElementsAre(1, 2));
  EXPECT_EQ(memory_.used_bytes(), 100U);
  memory_.Give(70);
  EXPECT_THAT(ready_, ElementsAre(1, 2, 3));
  EXPECT_EQ(memory_.used_bytes(), 80U);
}

TEST_F(LateMemoryTest, WhoLeavesHoldsNobodyUp) {
  EXPECT_FALSE(Take(100).has_value());
  const auto first = Take(90, 1);
  ASSERT_TRUE(first.has_value());
  EXPECT_TRUE(Take(10, 2).has_value());
  memory_.Give(20);
  EXPECT_THAT(ready_, IsEmpty());
  memory_.Leave(*first);
  EXPECT_THAT(ready_, ElementsAre(2));
  memory_.Leave(*first);  // it is gone
  EXPECT_EQ(memory_.used_bytes(), 90U);
}

TEST_F(LateMemoryTest, WhatIsLargerThanAllIsWaitedForInVain) {
  EXPECT_FALSE(Take(100).has_value());
  const auto id = Take(101, 1);
  ASSERT_TRUE(id.has_value());
  EXPECT_TRUE(Take(100, 2).has_value());
  memory_.Give(100);
  EXPECT_THAT(ready_, ElementsAre(2));  // it keeps nobody from what is there
  memory_.Leave(*id);
}

}  // namespace
}  // namespace engram::storage
