// Goal: the epoch advances by two only when every reader that was there has left.
#include "storage/ram/reader_epochs.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace engram::storage {
namespace {

TEST(ReaderEpochsTest, AdvancesFreelyWithoutReaders) {
  ReaderEpochs epochs;
  const uint64_t before = epochs.epoch();
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(epochs.TryAdvance());
  EXPECT_EQ(epochs.epoch(), before + 5);
}

TEST(ReaderEpochsTest, AReaderHoldsTheEpochWithinOneStep) {
  ReaderEpochs epochs;
  {
    const ReaderEpochs::Guard guard = epochs.Enter();
    EXPECT_TRUE(epochs.TryAdvance());
    EXPECT_FALSE(epochs.TryAdvance());
    EXPECT_FALSE(epochs.TryAdvance());
  }
  EXPECT_TRUE(epochs.TryAdvance());
}

TEST(ReaderEpochsTest, ReadersOfTheNewEpochDoNotHoldTheOldOne) {
  ReaderEpochs epochs;
  auto old_reader = std::make_unique<ReaderEpochs::Guard>(epochs.Enter());
  EXPECT_TRUE(epochs.TryAdvance());
  const ReaderEpochs::Guard new_reader = epochs.Enter();
  EXPECT_FALSE(epochs.TryAdvance());
  old_reader.reset();
  EXPECT_TRUE(epochs.TryAdvance());
  EXPECT_FALSE(epochs.TryAdvance());  // for the new reader
}

TEST(ReaderEpochsTest, ReadersInOtherThreadsCount) {
  ReaderEpochs epochs;
  constexpr int kReaders = 40;  // more than there are shards
  std::atomic<int> entered{0};
  std::atomic<bool> leave{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < kReaders; ++i) {
    readers.emplace_back([&] {
      const ReaderEpochs::Guard guard = epochs.Enter();
      entered.fetch_add(1);
      leave.wait(false);
    });
  }
  while (entered.load() < kReaders) std::this_thread::yield();
  EXPECT_TRUE(epochs.TryAdvance());
  EXPECT_FALSE(epochs.TryAdvance());
  leave.store(true);
  leave.notify_all();
  for (std::thread& reader : readers) reader.join();
  EXPECT_TRUE(epochs.TryAdvance());
}

// A value is replaced, and the old one destroyed once the epoch is two further: readers never find
// it destroyed. ThreadSanitizer checks that all of it is ordered, too.
TEST(ReaderEpochsTest, NoReaderSeesReclaimedMemory) {
  constexpr uint64_t kValid = 0x600D600D600D600D;
  constexpr int kReplacements = 1000;
  ReaderEpochs epochs;
  std::array<uint64_t, 8> places;
  places.fill(kValid);
  std::atomic<uint64_t*> current{&places[0]};
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> bad{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!stop.load(std::memory_order_relaxed)) {
        {
          const ReaderEpochs::Guard guard = epochs.Enter();
          const uint64_t* value = current.load(std::memory_order_acquire);
          for (int repeat = 0; repeat < 20; ++repeat) bad.fetch_add(*value != kValid);
        }
        std::this_thread::yield();
      }
    });
  }
  size_t next = 1;
  for (int i = 0; i < kReplacements; ++i) {
    uint64_t* const place = &places[next++ % places.size()];
    *place = kValid;
    uint64_t* const old = current.exchange(place, std::memory_order_acq_rel);
    const uint64_t retired = epochs.epoch();
    while (epochs.epoch() < retired + 2) {
      if (!epochs.TryAdvance()) std::this_thread::yield();
    }
    *old = 0;
  }
  stop.store(true);
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(bad.load(), 0u);
}

}  // namespace
}  // namespace engram::storage
