// Goal: who is asked for memory, and who may take it.
#include "storage/ram/ram_shares.h"

#include <gtest/gtest.h>

namespace engram::storage {
namespace {

// Holds what it is told to hold, and gives back at once.
class FakeShare : public RamShare {
 public:
  explicit FakeShare(RamShares* shares) : shares_(shares) {}
  ~FakeShare() override {
    const uint64_t held = held_bytes();
    shares_->Leave(this);
    shares_->budget()->Release(held);
  }
  bool Take(uint64_t bytes) {
    if (!shares_->budget()->TryReserve(bytes, shares_->Headroom(*this, bytes))) {
      shares_->Ask(this, bytes);
      return false;
    }
    shares_->SetHeld(this, held_bytes() + bytes);
    return true;
  }
  void GiveBack(uint64_t bytes) override {
    shares_->budget()->Release(bytes);
    shares_->SetHeld(this, held_bytes() - bytes);
  }

  RamShareShape Shape() const override { return {.step_bytes = 10}; }

 private:
  RamShares* const shares_;
};

class RamSharesTest : public testing::Test {
 protected:
  // Takes steps of 10 bytes until it gets none in `patience` attempts.
  static void TakeAllItGets(FakeShare& share, int patience = 3) {
    for (int failures = 0; failures < patience;) failures = share.Take(10) ? 0 : failures + 1;
  }
  RamShares shares_{std::make_shared<ByteBudget>(1000)};
};

TEST_F(RamSharesTest, OneTakesAll) {
  FakeShare share(&shares_);
  shares_.Join(&share, 1, 0);
  TakeAllItGets(share);
  EXPECT_EQ(share.held_bytes(), 1000u);
}

TEST_F(RamSharesTest, TheBudgetIsDividedByWeight) {
  FakeShare first(&shares_);
  shares_.Join(&first, 300, 0);
  TakeAllItGets(first);
  FakeShare second(&shares_);
  shares_.Join(&second, 100, 0);
  TakeAllItGets(second);
  EXPECT_EQ(first.held_bytes(), 750u);
  EXPECT_EQ(second.held_bytes(), 250u);
  TakeAllItGets(first);
  EXPECT_EQ(first.held_bytes(), 750u);
}

TEST_F(RamSharesTest, WhoHasMostAboveItsShareGives) {
  FakeShare a(&shares_), b(&shares_), c(&shares_);
  shares_.Join(&a, 1, 0);
  shares_.Join(&b, 1, 0);
  EXPECT_TRUE(a.Take(600));
  EXPECT_TRUE(b.Take(400));
  shares_.Join(&c, 1, 0);
  EXPECT_FALSE(c.Take(50));
  EXPECT_EQ(a.held_bytes(), 550u);
  EXPECT_EQ(b.held_bytes(), 400u);
}

TEST_F(RamSharesTest, WhatIsPromisedOthersLeaveFree) {
  FakeShare a(&shares_), b(&shares_);
  shares_.Join(&a, 1, 0);
  EXPECT_TRUE(a.Take(1000));
  shares_.Join(&b, 1, 0);
  EXPECT_FALSE(b.Take(50));
  EXPECT_EQ(shares_.budget()->used_bytes(), 950u);
  EXPECT_FALSE(a.Take(10));
  EXPECT_TRUE(b.Take(50));
  EXPECT_EQ(b.held_bytes(), 50u);
}

TEST_F(RamSharesTest, FreeMemoryGoesToWhoeverWantsIt) {
  FakeShare a(&shares_);
  shares_.Join(&a, 1, 0);
  {
    FakeShare b(&shares_);
    shares_.Join(&b, 1, 0);
    TakeAllItGets(a);
    TakeAllItGets(b);
    EXPECT_EQ(a.held_bytes(), 500u);
  }
  EXPECT_EQ(shares_.budget()->used_bytes(), 500u);
  TakeAllItGets(a);
  EXPECT_EQ(a.held_bytes(), 1000u);
}

TEST_F(RamSharesTest, MemoryThatIsNotTheCachesIsNotDivided) {
  ASSERT_TRUE(shares_.budget()->TryReserve(600));  // a whole table, say
  FakeShare a(&shares_), b(&shares_);
  shares_.Join(&a, 1, 0);
  TakeAllItGets(a);
  EXPECT_EQ(a.held_bytes(), 400u);
  shares_.Join(&b, 1, 0);
  TakeAllItGets(b);
  EXPECT_EQ(b.held_bytes(), 200u);
  shares_.budget()->Release(600);
}

TEST_F(RamSharesTest, ATinyTableIsEntitledToItsMinimum) {
  FakeShare large(&shares_), tiny(&shares_);
  shares_.Join(&large, 1'000'000, 0);
  TakeAllItGets(large);
  shares_.Join(&tiny, 1, 30);
  TakeAllItGets(tiny);
  EXPECT_EQ(tiny.held_bytes(), 30u);
}

TEST_F(RamSharesTest, AFixedPartIsNotDivided) {
  FakeShare a(&shares_), b(&shares_), fixed(&shares_);
  shares_.Join(&a, 300, 0);
  shares_.Join(&fixed, 1'000'000, 0, 0.2);
  TakeAllItGets(a);
  shares_.Join(&b, 100, 0);
  TakeAllItGets(fixed);
  TakeAllItGets(b);
  EXPECT_EQ(a.held_bytes(), 600u);
  EXPECT_EQ(b.held_bytes(), 200u);
  EXPECT_EQ(fixed.held_bytes(), 200u);
  EXPECT_EQ(shares_.DivisibleBytes(), 800u);
  EXPECT_EQ(shares_.StateOf(fixed)->fair_bytes, 200u);
  shares_.SetTargets({{&a, 100}, {&b, 700}, {&fixed, 900}});
  EXPECT_EQ(shares_.StateOf(a)->fair_bytes, 100u);
  EXPECT_EQ(shares_.StateOf(fixed)->fair_bytes, 200u);
}

TEST_F(RamSharesTest, TargetsMoveMemoryToWhoeverAsks) {
  FakeShare a(&shares_), b(&shares_);
  shares_.Join(&a, 300, 0);
  shares_.Join(&b, 100, 0);
  TakeAllItGets(a);
  TakeAllItGets(b);
  shares_.SetTargets({{&a, 400}, {&b, 600}});
  EXPECT_EQ(a.held_bytes(), 750u);
  TakeAllItGets(b);
  TakeAllItGets(a);
  EXPECT_EQ(a.held_bytes(), 400u);
  EXPECT_EQ(b.held_bytes(), 600u);
}

TEST_F(RamSharesTest, WhoJoinsAfterTargetsHasThePartOfItsSize) {
  FakeShare a(&shares_), b(&shares_), late(&shares_);
  shares_.Join(&a, 300, 0);
  shares_.Join(&b, 300, 0);
  shares_.SetTargets({{&a, 900}, {&b, 100}, {&late, 500}});
  shares_.Join(&late, 200, 0);
  EXPECT_EQ(shares_.StateOf(late)->fair_bytes, 250u);
  EXPECT_EQ(shares_.StateOf(a)->fair_bytes, 675u);
  EXPECT_EQ(shares_.StateOf(b)->fair_bytes, 75u);
}

TEST_F(RamSharesTest, SheddingStopsWhereThereIsRoom) {
  FakeShare a(&shares_), b(&shares_);
  shares_.Join(&a, 1000, 0);
  shares_.Join(&b, 1000, 0);
  EXPECT_TRUE(a.Take(1000));
  shares_.SetStrict(true);
  shares_.SetTargets({{&a, 700}, {&b, 300}});
  EXPECT_EQ(shares_.Shed(100), 300u);
  EXPECT_EQ(a.held_bytes(), 900u);
  EXPECT_EQ(shares_.Shed(100), 200u);  // b has not taken any yet
  EXPECT_EQ(a.held_bytes(), 900u);
  EXPECT_FALSE(a.Take(10));  // what is free is not for a
  EXPECT_TRUE(b.Take(100));
  shares_.Shed(1000);
  EXPECT_EQ(a.held_bytes(), 700u);
  EXPECT_EQ(shares_.Shed(1000), 0u);
  shares_.SetStrict(false);
  EXPECT_TRUE(a.Take(10));
}

TEST_F(RamSharesTest, WhatIsSetAsideIsGivenBackAndNotTaken) {
  FakeShare a(&shares_), b(&shares_), small(&shares_);
  shares_.Join(&a, 700, 0);
  shares_.Join(&b, 200, 0, 0.3);
  shares_.Join(&small, 1, 20);
  TakeAllItGets(small);
  TakeAllItGets(b);
  TakeAllItGets(a);
  ASSERT_EQ(shares_.budget()->used_bytes(), 1000u);
  shares_.SetAside(250);
  EXPECT_EQ(shares_.MostSetAside(), 500u);
  for (int times = 0; times < 20; ++times) {
    shares_.FreeSetAside(100);
    TakeAllItGets(b);  // within its share as well
    TakeAllItGets(a);
  }
  EXPECT_EQ(shares_.budget()->used_bytes() / 10, 75u);
  EXPECT_EQ(small.held_bytes(), 20u);
  ASSERT_TRUE(shares_.budget()->TryReserve(250));
  shares_.SetAside(0);
  TakeAllItGets(a);
  EXPECT_EQ(shares_.budget()->used_bytes() / 10, 100u);
  shares_.budget()->Release(250);
}

TEST_F(RamSharesTest, JoiningTwiceAndLeavingUnjoinedAreHarmless) {
  FakeShare a(&shares_), b(&shares_);
  shares_.Leave(&b);
  shares_.Join(&a, 1, 0);
  shares_.Join(&a, 1, 0);
  shares_.Leave(&a);
  shares_.Join(&b, 1, 0);
  TakeAllItGets(b);
  EXPECT_EQ(b.held_bytes(), 1000u);
}

}  // namespace
}  // namespace engram::storage
