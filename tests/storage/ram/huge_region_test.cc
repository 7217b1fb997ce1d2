// Goal: memory is charged exactly while it is usable, stays where it is, and is zero when new.
#include "storage/ram/huge_region.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

namespace engram::storage {
namespace {

bool AllAre(const std::byte* begin, uint64_t bytes, std::byte value) {
  return std::all_of(begin, begin + bytes, [value](std::byte byte) { return byte == value; });
}

TEST(HugeRegionTest, ChargesWhatIsUsable) {
  auto budget = std::make_shared<ByteBudget>(64 << 20);
  {
    HugeRegion region(budget, 40 << 20);
    EXPECT_EQ(budget->used_bytes(), 0u);
    EXPECT_TRUE(region.GrowTo(3 << 20));
    EXPECT_EQ(region.bytes(), 3u << 20);
    EXPECT_EQ(budget->used_bytes(), 3u << 20);
    EXPECT_TRUE(region.GrowTo(1 << 20));  // as much is there already
    EXPECT_EQ(budget->used_bytes(), 3u << 20);
    region.ShrinkTo(1 << 20);
    EXPECT_EQ(budget->used_bytes(), 1u << 20);
  }
  EXPECT_EQ(budget->used_bytes(), 0u);
}

TEST(HugeRegionTest, RoundsUpToPages) {
  auto budget = std::make_shared<ByteBudget>(64 << 20);
  HugeRegion region(budget, 10001);
  EXPECT_EQ(region.max_bytes(), 12288u);
  EXPECT_TRUE(region.GrowTo(4097));
  EXPECT_EQ(budget->used_bytes(), 8192u);
  EXPECT_TRUE(region.GrowTo(10001));
  EXPECT_FALSE(region.GrowTo(12289));
  EXPECT_EQ(budget->used_bytes(), 12288u);
}

TEST(HugeRegionTest, RefusesWhatTheBudgetHasNot) {
  auto budget = std::make_shared<ByteBudget>(8192);
  HugeRegion region(budget, 1 << 20);
  EXPECT_FALSE(region.GrowTo(8193));
  EXPECT_FALSE(region.GrowTo(4096, 4097));
  EXPECT_EQ(budget->used_bytes(), 0u);
  EXPECT_TRUE(region.GrowTo(4096, 4096));
  EXPECT_TRUE(region.GrowTo(8192));
}

TEST(HugeRegionTest, KeepsAddressesAndContents) {
  auto budget = std::make_shared<ByteBudget>(64 << 20);
  HugeRegion region(budget, 8 << 20);
  std::byte* const data = region.data();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % kHugePageBytes, 0u);
  ASSERT_TRUE(region.GrowTo(2 << 20));
  std::memset(data, 0x5A, 2 << 20);
  ASSERT_TRUE(region.GrowTo(8 << 20));
  EXPECT_EQ(region.data(), data);
  EXPECT_TRUE(AllAre(data, 2 << 20, std::byte{0x5A}));
  EXPECT_TRUE(AllAre(data + (2 << 20), 6 << 20, std::byte{0}));
}

TEST(HugeRegionTest, MemoryGivenBackComesBackAsZeros) {
  auto budget = std::make_shared<ByteBudget>(64 << 20);
  HugeRegion region(budget, 8 << 20);
  ASSERT_TRUE(region.GrowTo(6 << 20));
  std::memset(region.data(), 0x5A, 6 << 20);
  region.ShrinkTo(2 << 20);
  ASSERT_TRUE(region.GrowTo(6 << 20));
  EXPECT_TRUE(AllAre(region.data(), 2 << 20, std::byte{0x5A}));
  EXPECT_TRUE(AllAre(region.data() + (2 << 20), 4 << 20, std::byte{0}));
}

TEST(HugeRegionTest, WithoutAddressesItNeverGrows) {
  auto budget = std::make_shared<ByteBudget>(~uint64_t{0});
  HugeRegion region(budget, uint64_t{1} << 60);
  EXPECT_EQ(region.max_bytes(), 0u);
  EXPECT_FALSE(region.GrowTo(1));
  EXPECT_EQ(budget->used_bytes(), 0u);
  HugeRegion empty(budget, 0);
  EXPECT_TRUE(empty.GrowTo(0));
  EXPECT_FALSE(empty.GrowTo(1));
}

}  // namespace
}  // namespace engram::storage
