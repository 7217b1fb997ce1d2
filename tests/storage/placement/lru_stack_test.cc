// Goal: distances are those of a list that is kept in the order of use.
#include "storage/placement/lru_stack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <list>

#include "tests/storage/placement/placement_testing.h"

namespace engram::storage {
namespace {

// Most recently used first.
class SlowStack {
 public:
  uint32_t Use(uint64_t hash) {
    const auto found = std::find(stack_.begin(), stack_.end(), hash);
    const bool held = found != stack_.end();
    const auto distance = static_cast<uint32_t>(std::distance(stack_.begin(), found));
    stack_.remove(hash);
    stack_.push_front(hash);
    return held ? distance : LruStack::kNotHeld;
  }
  void DropOldest() { stack_.pop_back(); }
  template <typename Predicate>
  void DropIf(Predicate drop) {
    stack_.remove_if(drop);
  }
  size_t size() const { return stack_.size(); }

 private:
  std::list<uint64_t> stack_;
};

TEST(LruStackTest, DistancesAreThoseOfAList) {
  constexpr uint32_t kCapacity = 50;
  LruStack stack(kCapacity);
  SlowStack expected;
  Random random(2);
  for (int step = 0; step < 50'000; ++step) {
    const uint64_t hash = HashOf(random.Below(80));
    ASSERT_EQ(stack.Use(hash), expected.Use(hash)) << step;
    const auto drop = [&random, bits = random.Next()](uint64_t h) { return (h & bits & 3) == 0; };
    if (random.OneIn(500)) {
      stack.DropIf(drop);
      expected.DropIf(drop);
    }
    if (stack.size() == kCapacity) {
      stack.DropOldest();
      expected.DropOldest();
    }
    ASSERT_EQ(stack.size(), expected.size());
  }
}

TEST(LruStackTest, ACapacityOfOne) {
  LruStack stack(1);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(stack.Use(7), LruStack::kNotHeld);
    EXPECT_EQ(stack.Use(7), 0u);
    stack.DropOldest();
    EXPECT_EQ(stack.size(), 0u);
  }
}

}  // namespace
}  // namespace engram::storage
