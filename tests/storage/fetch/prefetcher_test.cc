// Goal: announced groups wait in memory for the one fetch that they are for, nothing of RAM gives
// way to them, and they are bounded.
#include "storage/fetch/prefetcher.h"

#include <gmock/gmock.h>

#include <future>
#include <memory>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "tests/storage/fetch/fetch_operation_testing.h"

namespace engram::storage {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

class PrefetcherTest : public FetchOperationTest {
 protected:
  // Groups of two rows; room for so many prefetched groups.
  void Make(uint64_t ram_budget, size_t room_groups, uint64_t reading_bytes = kMiB) {
    spec_ = GroupedSpec(2);
    const uint64_t group_bytes = PrefetchedGroups(spec_, nullptr).group_bytes();
    budget_ = std::make_shared<ByteBudget>(room_groups * group_bytes);
    table_ = NewTableVersion(spec_, script_, RamTiers(ram_budget).NewCache(spec_),
                             absl::ZeroDuration(), budget_);
    prefetcher_ = std::make_unique<Prefetcher>(reading_bytes, &scheduler_);
  }

  // Announces groups, and waits until all hints are read.
  void Prefetch(const std::vector<RowId>& ids) {
    prefetcher_->Prefetch(table_, ids);
    std::promise<void> idle;  // hints go last, and those of one thread one after the other
    scheduler_.Submit(JobClass::kHint, absl::InfiniteFuture(), [&] { idle.set_value(); });
    idle.get_future().wait();
  }

  void AwaitHeld(const std::vector<std::vector<RowId>>& groups) {
    for (const auto& ids : groups) {
      while (!table_->prefetched().Holds(ids)) absl::SleepFor(absl::Milliseconds(1));
    }
  }

  std::shared_ptr<ByteBudget> budget_;
  std::unique_ptr<Prefetcher> prefetcher_;
};

TEST_F(PrefetcherTest, AnAnnouncedGroupComesFromMemoryOnceAndIsInRamThen) {
  Make(16 * kMiB, 10);
  prefetcher_->Prefetch(table_, {20, 21, 30, 31});
  AwaitHeld({{20, 21}, {30, 31}});
  const size_t reads = script_->calls().size();
  const std::vector<RowId> ids = {20, 21, 40, 41, 20, 21};
  ASSERT_TRUE(Fetch(ids).ok());
  EXPECT_THAT(tiers_, ElementsAre(Tier::kRam, Tier::kCold, Tier::kRam));
  EXPECT_EQ(CountWrongRows(spec_, ids, rows_), 0U);
  EXPECT_EQ(script_->calls().size(), reads + 1);
  EXPECT_FALSE(table_->prefetched().Holds({20, 21}));
  ASSERT_TRUE(Fetch({20, 21}).ok());  // from RAM itself
  EXPECT_THAT(tiers_, ElementsAre(Tier::kRam));
  const PrefetchStats stats = table_->Stats().prefetch;
  EXPECT_EQ(stats.accepted, 2U);
  EXPECT_EQ(stats.used, 1U);
  EXPECT_EQ(stats.wasted, 0U);
}

TEST_F(PrefetcherTest, ItIsNoUseOfGroupsAndNothingLeavesRamForThem) {
  Make(kMiB, 2000);
  std::vector<RowId> hot;
  for (RowId id = 0; id < 1000; ++id) hot.push_back(id);
  ASSERT_TRUE(Fetch(hot).ok());
  const TableStats before = table_->Stats();
  std::vector<RowId> announced;
  for (RowId id = 10'000; id < 13'000; ++id) announced.push_back(id);
  prefetcher_->Prefetch(table_, announced);
  AwaitHeld({{12'998, 12'999}});
  const TableStats after = table_->Stats();
  EXPECT_EQ(after.ram.admissions, before.ram.admissions);
  EXPECT_EQ(after.ram.evictions, before.ram.evictions);
  EXPECT_EQ(after.groups, before.groups);
  EXPECT_EQ(after.fetches, before.fetches);
}

TEST_F(PrefetcherTest, WhatIsInMemoryIsNotReadAgain) {
  Make(16 * kMiB, 10);
  ASSERT_TRUE(Fetch({20, 21}).ok());
  prefetcher_->Prefetch(table_, {30, 31});
  AwaitHeld({{30, 31}});
  const size_t reads = script_->calls().size();
  Prefetch({20, 21, 30, 31});
  EXPECT_EQ(script_->calls().size(), reads);
  EXPECT_EQ(table_->Stats().prefetch.accepted, 1U);
}

TEST_F(PrefetcherTest, TheOldestGiveWayWhereThereIsNoMoreRoom) {
  Make(16 * kMiB, 2);
  for (const RowId first : {10U, 20U, 30U}) {
    prefetcher_->Prefetch(table_, {first, first + 1});
    AwaitHeld({{first, first + 1}});
  }
  EXPECT_FALSE(table_->prefetched().Holds({10, 11}));
  EXPECT_TRUE(table_->prefetched().Holds({20, 21}));
  EXPECT_EQ(budget_->used_bytes(), budget_->limit_bytes());
  const PrefetchStats stats = table_->Stats().prefetch;
  EXPECT_EQ(stats.accepted, 3U);
  EXPECT_EQ(stats.wasted, 1U);
  table_.reset();
  EXPECT_EQ(budget_->used_bytes(), 0U);
}

TEST_F(PrefetcherTest, WhatNobodyFetchedForAWhileIsLetGo) {
  Make(16 * kMiB, 10);
  prefetcher_->Prefetch(table_, {20, 21});
  AwaitHeld({{20, 21}});
  table_->prefetched().Expire(absl::Now());
  EXPECT_TRUE(table_->prefetched().Holds({20, 21}));
  table_->prefetched().Expire(absl::Now() + absl::Minutes(2));
  EXPECT_FALSE(table_->prefetched().Holds({20, 21}));
  EXPECT_EQ(table_->Stats().prefetch.wasted, 1U);
  EXPECT_EQ(budget_->used_bytes(), 0U);
}

TEST_F(PrefetcherTest, TooManyAtATimeAreDropped) {
  Make(16 * kMiB, 10, /*reading_bytes=*/0);
  Prefetch({20, 21, 30, 31});
  EXPECT_EQ(script_->calls().size(), 0U);
  EXPECT_EQ(table_->Stats().prefetch.dropped, 2U);
  EXPECT_EQ(table_->Stats().prefetch.accepted, 0U);
}

// A fetch takes from a hint's read what that has begun to read, and does not wait for one in a
// queue.
TEST_F(PrefetcherTest, AFetchWaitsForAHintThatIsBeingReadOnly) {
  Make(16 * kMiB, 10);
  std::promise<void> reading;
  std::promise<void> released;
  script_->on_read = [&, first = true](absl::Span<const RowRead>) mutable {
    if (std::exchange(first, false)) {
      reading.set_value();
      released.get_future().wait();
    }
    return absl::OkStatus();
  };
  prefetcher_->Prefetch(table_, {20, 21});
  reading.get_future().wait();
  const std::vector<RowId> ids = {20, 21};
  std::future<absl::Status> done = StartFetch(ids);
  released.set_value();
  ASSERT_TRUE(done.get().ok());
  EXPECT_EQ(CountWrongRows(spec_, ids, rows_), 0U);
  EXPECT_EQ(script_->calls().size(), 1U);
}

// What a fetch asks for while a hint of it is in the queue is read once, by the fetch.
TEST_F(PrefetcherTest, AFetchTakesOverWhatAHintHasNotBegunToRead) {
  Make(16 * kMiB, 10);
  std::promise<void> busy = KeepThreadsBusy();
  prefetcher_->Prefetch(table_, {20, 21, 40, 41, 30, 31});
  const std::vector<RowId> ids = {40, 41, 20, 21};
  std::future<absl::Status> done = StartFetch(ids);
  busy.set_value();
  ASSERT_TRUE(done.get().ok());
  EXPECT_EQ(CountWrongRows(spec_, ids, rows_), 0U);
  AwaitHeld({{30, 31}});
  EXPECT_FALSE(table_->prefetched().Holds({20, 21}));
  std::vector<RowId> read;
  for (const auto& call : script_->calls()) {
    for (const RowRead& row : call) read.push_back(row.row_id);
  }
  EXPECT_THAT(read, UnorderedElementsAre(20, 21, 30, 31, 40, 41));
  const PrefetchStats stats = table_->Stats().prefetch;
  EXPECT_EQ(stats.accepted, 3U);
  EXPECT_EQ(stats.dropped, 2U);
  EXPECT_EQ(stats.wasted, 0U);
}

TEST_F(PrefetcherTest, WhatIsAnnouncedTwiceCountsOnce) {
  Make(16 * kMiB, 10);
  std::promise<void> busy = KeepThreadsBusy();
  prefetcher_->Prefetch(table_, {20, 21, 30, 31, 20, 21});
  prefetcher_->Prefetch(table_, {30, 31, 20, 21});
  EXPECT_EQ(table_->Stats().prefetch.accepted, 2U);
  busy.set_value();
  AwaitHeld({{20, 21}, {30, 31}});
  EXPECT_EQ(table_->Stats().prefetch.dropped, 0U);
}

TEST_F(PrefetcherTest, HintsThatAreOldAreDropped) {
  Make(16 * kMiB, 10);
  std::promise<void> busy = KeepThreadsBusy();
  prefetcher_->Prefetch(table_, {20, 21});
  absl::SleepFor(absl::Milliseconds(1'100));
  busy.set_value();
  while (table_->Stats().prefetch.dropped == 0) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_TRUE(script_->calls().empty());
}

TEST_F(PrefetcherTest, AReadThatFailsLeavesNothing) {
  Make(16 * kMiB, 10);
  script_->on_read = [first = true](absl::Span<const RowRead>) mutable {
    return std::exchange(first, false) ? absl::DataLossError("no") : absl::OkStatus();
  };
  prefetcher_->Prefetch(table_, {20, 21});
  while (script_->calls().empty()) absl::SleepFor(absl::Milliseconds(1));
  ASSERT_TRUE(Fetch({20, 21}).ok());
  EXPECT_FALSE(table_->prefetched().Holds({20, 21}));
  EXPECT_THAT(tiers_, Each(Tier::kCold));
  EXPECT_EQ(CountWrongRows(spec_, {20, 21}, rows_), 0U);
}

}  // namespace
}  // namespace engram::storage
