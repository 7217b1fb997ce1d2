#include "client/shm/shared_heap.h"

#include <fcntl.h>

#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace engram {
namespace {

constexpr uint64_t kPages = 64;

std::shared_ptr<SharedHeap> NewHeap() {
  auto heap = SharedHeap::Create(kPages * shm::kPageBytes, /*slots=*/4);
  EXPECT_TRUE(heap.ok()) << heap.status();
  return *std::move(heap);
}

TEST(SharedHeapTest, IsSealedAsTheDaemonDemands) {
  const auto heap = NewHeap();
  EXPECT_EQ(heap->bytes(), shm::DataOffset(4) + kPages * shm::kPageBytes);
  EXPECT_EQ(fcntl(heap->memfd(), F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

TEST(SharedHeapTest, BlocksArePagesOfTheData) {
  const auto heap = NewHeap();
  const SharedHeap::Block block = heap->Allocate(shm::kPageBytes + 1);
  ASSERT_FALSE(block.empty());
  EXPECT_EQ(block.pages(), 2u);
  EXPECT_GE(block.offset(), shm::DataOffset(4));
  EXPECT_EQ(block.offset() % shm::kPageBytes, 0u);
  EXPECT_EQ(heap->OffsetOf(block.data()), block.offset());
  EXPECT_TRUE(heap->Contains({block.data(), block.pages() * shm::kPageBytes}));
}

TEST(SharedHeapTest, ContainsOnlyWhatLiesInItAsAWhole) {
  const auto heap = NewHeap();
  const auto all = heap->Allocate(kPages * shm::kPageBytes);
  ASSERT_FALSE(all.empty());
  const std::byte* const end = all.data() + kPages * shm::kPageBytes;
  EXPECT_TRUE(heap->Contains({end - 10, 10}));
  EXPECT_FALSE(heap->Contains({end - 10, 11}));
  EXPECT_FALSE(heap->Contains({end - 10, ~size_t{0}}));
  std::byte other;
  EXPECT_FALSE(heap->Contains({&other, 1}));
  EXPECT_FALSE(heap->Contains({}));
}

TEST(SharedHeapTest, WhatIsGivenBackCanBeHadAgainAsAWhole) {
  const auto heap = NewHeap();
  std::mt19937 random(1);
  std::vector<SharedHeap::Block> blocks;
  for (int i = 0; i < 2000; ++i) {
    if (random() % 2 == 0 && !blocks.empty()) {
      std::swap(blocks[random() % blocks.size()], blocks.back());
      blocks.pop_back();
      continue;
    }
    auto block = heap->Allocate(1 + random() % (5 * shm::kPageBytes));
    if (!block.empty()) {
      // No two blocks overlap.
      std::memset(block.data(), static_cast<int>(blocks.size()), block.pages() * shm::kPageBytes);
      blocks.push_back(std::move(block));
    }
  }
  uint64_t pages = 0;
  for (const SharedHeap::Block& block : blocks) {
    pages += block.pages();
  }
  EXPECT_LE(pages, kPages);
  blocks.clear();
  EXPECT_FALSE(heap->Allocate(kPages * shm::kPageBytes).empty());
}

TEST(SharedHeapTest, IsEmptyHandedWhereNoPieceIsLargeEnough) {
  const auto heap = NewHeap();
  EXPECT_TRUE(heap->Allocate((kPages + 1) * shm::kPageBytes).empty());
  const auto most = heap->Allocate((kPages - 1) * shm::kPageBytes);
  EXPECT_TRUE(heap->Allocate(2 * shm::kPageBytes).empty());
  EXPECT_FALSE(heap->Allocate(1).empty());
}

TEST(SharedHeapTest, BlocksOutliveTheirOwner) {
  auto heap = NewHeap();
  const auto block = heap->Allocate(10);
  heap.reset();
  std::memset(block.data(), 1, 10);
  EXPECT_EQ(block.data()[9], std::byte{1});
}

}  // namespace
}  // namespace engram
