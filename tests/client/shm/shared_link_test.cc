#include "client/shm/shared_link.h"

#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "tests/client/client_testing.h"
#include "tests/client/shm/fake_sharer_testing.h"

namespace engram {
namespace {

using Progress = SharedLink::Progress;
using testing::HasSubstr;

constexpr absl::Duration kLong = absl::Hours(1);
constexpr absl::Duration kShort = absl::Milliseconds(20);

absl::Time Soon() { return absl::Now() + kShort; }

class SharedLinkRequestTest : public testing::Test {
 protected:
  std::unique_ptr<SharedLink> Request() {
    auto heap = SharedHeap::Create(4096, 4);
    EXPECT_TRUE(heap.ok());
    auto link = SharedLink::Request(sharer_.path(), *std::move(heap));
    EXPECT_TRUE(link.ok()) << link.status();
    return *std::move(link);
  }

  FakeSharer sharer_;
};

TEST_F(SharedLinkRequestTest, IsAnsweredWhenTheDaemonLikes) {
  const auto link = Request();
  EXPECT_TRUE(absl::IsDeadlineExceeded(link->Finish(absl::InfinitePast())));
  sharer_.Accept();
  EXPECT_TRUE(absl::IsDeadlineExceeded(link->Finish(Soon())));
  sharer_.Reply(absl::OkStatus());
  EXPECT_EQ(link->Finish(absl::InfiniteFuture()), absl::OkStatus());
}

TEST_F(SharedLinkRequestTest, RefusalsAreTheDaemonsOwn) {
  const auto link = Request();
  sharer_.Accept();
  sharer_.Reply(absl::ResourceExhaustedError("too many"));
  EXPECT_EQ(link->Finish(absl::InfiniteFuture()), absl::ResourceExhaustedError("too many"));
}

TEST_F(SharedLinkRequestTest, WhoeverHangsUpSharesNothing) {
  const auto link = Request();
  sharer_.Accept();
  sharer_.HangUp();
  EXPECT_TRUE(absl::IsUnavailable(link->Finish(absl::InfiniteFuture())));
}

TEST_F(SharedLinkRequestTest, WhoeverSaysOtherThingsSharesNothing) {
  const auto link = Request();
  sharer_.Accept();
  sharer_.SendBytes("HTTP/1.1 400 Bad Request\r\n");
  EXPECT_TRUE(absl::IsUnavailable(link->Finish(absl::InfiniteFuture())));
}

TEST(SharedLinkNobodyTest, IsUnavailable) {
  auto heap = SharedHeap::Create(4096, 4);
  ASSERT_TRUE(heap.ok());
  const std::string path = TestPath("nobody");
  const auto link = SharedLink::Request(path, *heap);
  EXPECT_TRUE(absl::IsUnavailable(link.status()));
  EXPECT_THAT(std::string(link.status().message()), HasSubstr(path));
}

class SharedLinkTest : public testing::Test {
 protected:
  uint32_t Submit() {
    const auto slot = link_->Submit(shm::Call());
    EXPECT_TRUE(slot.has_value());
    return slot.value_or(0);
  }

  FakeSharer sharer_;
  std::shared_ptr<SharedLink> link_ = MustLink(sharer_, kLong);
};

TEST_F(SharedLinkTest, CompletionsInAnyOrder) {
  const uint32_t a = Submit();
  const uint32_t b = Submit();
  EXPECT_EQ(sharer_.submitted(), 2u);
  EXPECT_EQ(sharer_.SlotOf(0), a);
  EXPECT_EQ(sharer_.SlotOf(1), b);
  EXPECT_EQ(link_->Poll(a), Progress::kPending);
  sharer_.Complete(b, absl::NotFoundError("no table"));
  EXPECT_EQ(link_->Await(b, absl::InfiniteFuture()), Progress::kDone);
  EXPECT_EQ(link_->Outcome(b), absl::NotFoundError("no table"));
  EXPECT_EQ(link_->Await(a, Soon()), Progress::kPending);
  sharer_.Complete(a, absl::OkStatus());
  EXPECT_EQ(link_->Poll(a), Progress::kDone);
  EXPECT_EQ(link_->Outcome(a), absl::OkStatus());
}

TEST_F(SharedLinkTest, SlotsAreFewAndComeBack) {
  for (int round = 0; round < 10; ++round) {
    std::vector<uint32_t> slots;
    for (int i = 0; i < 4; ++i) {
      slots.push_back(Submit());
    }
    EXPECT_EQ(link_->Submit(shm::Call()), std::nullopt);
    for (const uint32_t slot : slots) {
      sharer_.Complete(slot, absl::OkStatus());
      EXPECT_EQ(link_->Poll(slot), Progress::kDone);
      link_->ReleaseSlot(slot);
    }
  }
}

TEST_F(SharedLinkTest, SleepersAreWokenByTheDoorbell) {
  std::vector<uint32_t> slots = {Submit(), Submit(), Submit()};
  std::vector<std::thread> threads;
  for (const uint32_t slot : slots) {
    threads.emplace_back(
        [this, slot] { EXPECT_EQ(link_->Await(slot, absl::InfiniteFuture()), Progress::kDone); });
  }
  absl::SleepFor(kShort);  // likely long enough for one of them to sleep
  for (const uint32_t slot : slots) {
    sharer_.Complete(slot, absl::OkStatus());
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST_F(SharedLinkTest, WhatWasDoneBeforeTheEndIsDone) {
  const uint32_t done = Submit();
  const uint32_t pending = Submit();
  sharer_.Complete(done, absl::OkStatus());
  sharer_.HangUp();
  EXPECT_EQ(link_->Await(pending, absl::InfiniteFuture()), Progress::kLost);
  EXPECT_EQ(link_->Await(done, absl::InfiniteFuture()), Progress::kDone);
  EXPECT_TRUE(link_->lost());
  EXPECT_FALSE(link_->hung());
  EXPECT_EQ(link_->Submit(shm::Call()), std::nullopt);
}

TEST_F(SharedLinkTest, AbandonedSlotsComeBackWhenTheyAreDone) {
  std::vector<uint32_t> slots = {Submit(), Submit(), Submit(), Submit()};
  auto block = link_->heap()->Allocate(uint64_t{1} << 20);
  ASSERT_FALSE(block.empty());
  std::vector<SharedHeap::Block> blocks;
  blocks.push_back(std::move(block));
  link_->Abandon(slots[2], std::move(blocks));
  EXPECT_EQ(link_->Submit(shm::Call()), std::nullopt);
  EXPECT_TRUE(link_->heap()->Allocate(1).empty());
  sharer_.Complete(slots[2], absl::OkStatus());
  EXPECT_EQ(link_->Submit(shm::Call()), slots[2]);
  EXPECT_FALSE(link_->heap()->Allocate(1).empty());
}

TEST_F(SharedLinkTest, MoreCompletionsAreAwaitedWhicheverTheyAre) {
  const uint32_t a = Submit();
  const uint32_t b = Submit();
  EXPECT_EQ(link_->AwaitMore(0, absl::InfinitePast()), 0u);
  sharer_.Complete(b, absl::OkStatus());
  EXPECT_EQ(link_->AwaitMore(0, absl::InfiniteFuture()), 1u);
  EXPECT_EQ(link_->AwaitMore(1, Soon()), 1u);
  std::thread waiter([&] { EXPECT_EQ(link_->AwaitMore(1, absl::InfiniteFuture()), 2u); });
  sharer_.Complete(a, absl::OkStatus());
  waiter.join();
  EXPECT_EQ(link_->AwaitMore(1, absl::InfiniteFuture()), 2u) << "what others took counts";
  sharer_.HangUp();
  EXPECT_EQ(link_->AwaitMore(2, absl::InfiniteFuture()), 2u);
  EXPECT_TRUE(link_->lost());
}

TEST_F(SharedLinkTest, AwaitingMoreIsInterrupted) {
  const uint32_t slot = Submit();
  link_->Interrupt();
  EXPECT_EQ(link_->AwaitMore(0, absl::InfiniteFuture()), 0u);

  // As whoever watches, and beside another that does.
  std::thread alone([&] { EXPECT_EQ(link_->AwaitMore(0, absl::InfiniteFuture()), 0u); });
  absl::SleepFor(kShort);  // likely long enough for it to sleep
  link_->Interrupt();
  alone.join();
  std::thread watcher(
      [&] { EXPECT_EQ(link_->Await(slot, absl::InfiniteFuture()), Progress::kDone); });
  absl::SleepFor(kShort);
  std::thread beside([&] { EXPECT_EQ(link_->AwaitMore(0, absl::InfiniteFuture()), 0u); });
  absl::SleepFor(kShort);
  link_->Interrupt();
  beside.join();
  sharer_.Complete(slot, absl::OkStatus());
  watcher.join();
  EXPECT_FALSE(link_->lost());
}

TEST(SharedLinkPatienceTest, ADaemonThatDoesNotWakeHangs) {
  FakeSharer sharer;
  const auto link = MustLink(sharer, /*patience=*/kShort);
  const auto slot = link->Submit(shm::Call());
  ASSERT_TRUE(slot.has_value());
  EXPECT_EQ(link->Await(*slot, absl::InfiniteFuture()), Progress::kLost);
  EXPECT_TRUE(sharer.TakeDoorbell());
  EXPECT_TRUE(link->lost());
  EXPECT_TRUE(link->hung());
}

TEST(SharedLinkPatienceTest, ADaemonThatWakesIsSlow) {
  FakeSharer sharer;
  // Longer than this thread may be kept from waking up.
  const auto link = MustLink(sharer, /*patience=*/absl::Milliseconds(300));
  const auto slot = link->Submit(shm::Call());
  ASSERT_TRUE(slot.has_value());
  std::thread waiter(
      [&] { EXPECT_EQ(link->Await(*slot, absl::InfiniteFuture()), Progress::kDone); });
  for (int doorbells = 0; doorbells < 5 && !link->lost(); absl::SleepFor(absl::Milliseconds(1))) {
    if (sharer.TakeDoorbell()) {
      sharer.Wake();
      ++doorbells;
    }
  }
  sharer.Complete(*slot, absl::OkStatus());
  waiter.join();
  EXPECT_FALSE(link->lost());
}

}  // namespace
}  // namespace engram
