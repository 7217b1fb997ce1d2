// Goal: one use of each block is picked, wherever the asking starts and at any place of the block.
#include "storage/placement/use_observer.h"

#include <gtest/gtest.h>

#include <set>

namespace engram::storage {
namespace {

class Observer : public UseObserver {
 public:
  explicit Observer(int thinning) : UseObserver(thinning) {}
  void OnSampled(const GroupKey& /*group*/) override {}
  void OnPicked(const GroupKey& /*group*/, bool /*held*/) override {}
};

TEST(UseObserverTest, UsesAreNumbered) {
  Observer observer(4);
  EXPECT_EQ(observer.CountUses(24), 0u);
  EXPECT_EQ(observer.CountUses(1), 24u);
  EXPECT_EQ(observer.uses(), 25u);
}

TEST(UseObserverTest, PicksOneUseOfEachBlock) {
  const Observer observer(4);
  std::set<uint64_t> places;
  uint64_t use = 0;
  for (uint64_t block = 0; block < 1000; ++block) {
    use = observer.NextPick(use);
    EXPECT_EQ(use / 16, block);
    EXPECT_EQ(observer.NextPick(use), use);
    places.insert(use % 16);
    ++use;
  }
  EXPECT_EQ(places.size(), 16u);
}

TEST(UseObserverTest, WithoutThinningAllArePicked) {
  const Observer observer(0);
  for (uint64_t use = 0; use < 10; ++use) EXPECT_EQ(observer.NextPick(use), use);
}

}  // namespace
}  // namespace engram::storage
