// Goal: a fetch that takes a partial answer ends at its deadline with what is there, says what is
// not, and has it read on.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "storage/fetch/deadline_timer.h"
#include "storage/fetch/late_memory.h"
#include "storage/fetch/prefetcher.h"
#include "storage/ram/byte_budget.h"
#include "tests/storage/fetch/fetch_operation_testing.h"

namespace engram::storage {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr absl::Duration kSoon = absl::Milliseconds(30);

// Fetches of groups of two rows. Reads of a row that is held wait until it is released.
class PartialFetchTest : public FetchOperationTest {
 protected:
  PartialFetchTest() {
    Make(2, 16 * kMiB);
    table_ = NewTableVersion(spec_, script_, RamTiers(16 * kMiB).NewCache(spec_),
                             absl::ZeroDuration(), prefetched_budget_);
    // Its own copy: I/O threads may still be in there when this object goes.
    script_->on_read = [this, until_released = std::shared_future<void>(released_.get_future())](
                           absl::Span<const RowRead> reads) {
      for (const RowRead& read : reads) {
        if (read.row_id == held_row_) {
          is_held_ = true;
          until_released.wait();
        }
        if (read.row_id == bad_row_) return absl::DataLossError("row 19999 is damaged");
      }
      return absl::OkStatus();
    };
  }
  ~PartialFetchTest() override {
    Release();
    AwaitNoLateRows();
  }

  void Release() {
    if (!std::exchange(is_released_, true)) released_.set_value();
  }

  FetchContext Context() {
    return {.scheduler = &scheduler_,
            .timer = &timer_,
            .prefetcher = &prefetcher_,
            .late_memory = &late_memory_};
  }

  absl::Status Partial(const std::vector<RowId>& ids, absl::Duration patience,
                       const CancelFlag* cancelled = nullptr) {
    rows_.assign(ids.size() * spec_.row_bytes, std::byte{0xEE});
    tiers_.assign(ids.size() / spec_.group_size, Tier{0});
    std::promise<absl::Status> done;
    RunFetch(
        {.table = table_,
         .row_ids = ids,
         .rows = absl::MakeSpan(rows_),
         .tiers = absl::MakeSpan(tiers_),
         .deadline = absl::Now() + patience,
         .cancelled = cancelled,
         .partial = true},
        [&](absl::Status status) { done.set_value(std::move(status)); }, Context());
    return done.get_future().get();
  }

  std::vector<std::byte> RowsOf(size_t group) const {
    const auto begin = rows_.begin() + static_cast<ptrdiff_t>(group * spec_.group_bytes());
    return {begin, begin + static_cast<ptrdiff_t>(spec_.group_bytes())};
  }

  // Starts a fetch that has all memory for late rows, until Release.
  void TakeAllLateMemory() {
    for (RowId id = 0; id < kMiB / spec_.row_bytes / 2 * 2; ++id) many_.push_back(id);
    many_rows_.resize(many_.size() * spec_.row_bytes);
    many_tiers_.resize(many_.size() / spec_.group_size);
    RunFetch(
        {.table = table_,
         .row_ids = many_,
         .rows = absl::MakeSpan(many_rows_),
         .tiers = absl::MakeSpan(many_tiers_),
         .deadline = absl::Now() + absl::Hours(1),
         .partial = true},
        [](absl::Status status) { EXPECT_TRUE(status.ok()) << status; }, Context());
    while (!is_held_) absl::SleepFor(absl::Milliseconds(1));
  }

  void AwaitNoLateRows() const {
    while (late_memory_.used_bytes() > 0) absl::SleepFor(absl::Milliseconds(1));
  }

  // Fetches until the groups come from memory.
  void AwaitInMemory(const std::vector<RowId>& ids) {
    do {
      ASSERT_TRUE(Partial(ids, absl::Seconds(30)).ok());
    } while (std::any_of(tiers_.begin(), tiers_.end(), [](Tier t) { return t != Tier::kRam; }));
    EXPECT_EQ(CountWrongRows(spec_, ids, rows_), 0U);
  }

  RowId held_row_ = 300;
  RowId bad_row_ = 19'999;
  std::promise<void> released_;
  bool is_released_ = false;
  std::atomic<bool> is_held_ = false;
  std::vector<RowId> many_;
  std::vector<std::byte> many_rows_;
  std::vector<Tier> many_tiers_;
  const std::shared_ptr<ByteBudget> prefetched_budget_ = std::make_shared<ByteBudget>(kMiB);
  LateMemory late_memory_{kMiB};
  DeadlineTimer timer_;
  Prefetcher prefetcher_{kMiB, &scheduler_};
};

TEST_F(PartialFetchTest, ItHasAllThatCameInTimeAndNamesTheRest) {
  ASSERT_TRUE(Partial({10, 11}, absl::Hours(1)).ok());
  EXPECT_THAT(tiers_, ElementsAre(Tier::kCold));
  EXPECT_EQ(CountWrongRows(spec_, {10, 11}, rows_), 0U);

  const std::vector<RowId> ids = {10, 11, 20, 21, 300, 301};
  // However slow the machine is, group 20 comes before the deadline at last.
  absl::Duration patience = kSoon;
  do {
    ASSERT_TRUE(Partial(ids, patience).ok());
    patience *= 2;
  } while (tiers_[1] == Tier::kAbsent);
  EXPECT_THAT(tiers_, ElementsAre(Tier::kRam, testing::_, Tier::kAbsent));
  EXPECT_EQ(CountWrongRows(spec_, {10, 11, 20, 21},
                           absl::MakeConstSpan(rows_).first(4 * spec_.row_bytes)),
            0U);
  EXPECT_THAT(RowsOf(2), Each(kAbsentByte));
  const TableStats stats = table_->Stats();
  EXPECT_GE(stats.partial_answers, 1U);
  EXPECT_GE(stats.absent_groups, stats.partial_answers);
  EXPECT_EQ(stats.fetches_late, stats.partial_answers);
  EXPECT_EQ(stats.fetch_errors, 0U);
}

TEST_F(PartialFetchTest, WhatIsLateIsThereTheNextTime) {
  ASSERT_TRUE(Partial({300, 301}, kSoon).ok());
  EXPECT_THAT(tiers_, ElementsAre(Tier::kAbsent));
  Release();
  AwaitInMemory({300, 301});
}

// All I/O threads are busy, so that nothing of it has begun by the deadline.
TEST_F(PartialFetchTest, WhatHasNotBegunByThenIsReadLater) {
  std::promise<void> busy = KeepThreadsBusy();
  ASSERT_TRUE(Partial({20, 21, 22, 23, 20, 21}, kSoon).ok());
  EXPECT_THAT(tiers_, Each(Tier::kAbsent));
  EXPECT_THAT(rows_, Each(kAbsentByte));
  busy.set_value();
  while (table_->Stats().prefetch.accepted < 2) absl::SleepFor(absl::Milliseconds(1));
  AwaitInMemory({20, 21, 22, 23});
}

TEST_F(PartialFetchTest, WithoutADeadlineItIsLikeAnyOther) {
  Release();
  ASSERT_TRUE(Partial({20, 21, 300, 301}, absl::InfiniteDuration()).ok());
  EXPECT_THAT(tiers_, ElementsAre(Tier::kCold, Tier::kCold));
  EXPECT_EQ(table_->Stats().partial_answers, 0U);
}

TEST_F(PartialFetchTest, RowsThatCannotBeReadAreAnErrorNevertheless) {
  const absl::Status status = Partial({20, 21, 19'998, 19'999}, absl::Seconds(30));
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("row 19999"));
  EXPECT_EQ(table_->Stats().fetch_errors, 1U);
}

TEST_F(PartialFetchTest, OneThatWasCancelledSaysSo) {
  const CancelFlag cancelled = 1;
  EXPECT_TRUE(absl::IsCancelled(Partial({300, 301}, absl::Hours(1), &cancelled)));
}

TEST_F(PartialFetchTest, OneThatIsCancelledReadsNoMoreThanItHadBegun) {
  std::atomic<int> begun{0};
  std::promise<void> go_on;
  script_->on_read = [&, until = std::shared_future<void>(go_on.get_future())](auto) {
    ++begun;
    until.wait();
    return absl::OkStatus();
  };
  CancelFlag cancelled = 0;
  std::thread cancel([&] {
    while (begun < scheduler_.threads()) absl::SleepFor(absl::Milliseconds(1));
    cancelled = 1;
    go_on.set_value();
  });
  std::vector<RowId> ids(200);  // many more parts than there are I/O threads
  std::iota(ids.begin(), ids.end(), 0);
  EXPECT_TRUE(absl::IsCancelled(Partial(ids, absl::Hours(1), &cancelled)));
  cancel.join();
  AwaitNoLateRows();
  EXPECT_EQ(begun, scheduler_.threads());
  EXPECT_EQ(table_->Stats().prefetch.accepted, 0U);
}

TEST_F(PartialFetchTest, OneThatWasAnsweredHoldsMemoryUntilItsReadsAreOver) {
  do {  // on a slow machine its read has not begun when it is answered
    ASSERT_TRUE(Partial({300, 301}, kSoon).ok());
    EXPECT_THAT(tiers_, ElementsAre(Tier::kAbsent));
  } while (late_memory_.used_bytes() == 0);
  Release();
  AwaitNoLateRows();
}

// There is an end to the memory of reads that may be late.
TEST_F(PartialFetchTest, WhereTooMuchIsLateTheRestWaitsForMemory) {
  TakeAllLateMemory();
  const absl::Time start = absl::Now();
  ASSERT_TRUE(Partial({10'000, 10'001, 10'002, 10'003}, kSoon).ok());
  EXPECT_GE(absl::Now() - start, kSoon);
  EXPECT_THAT(tiers_, Each(Tier::kAbsent));
  EXPECT_THAT(rows_, Each(kAbsentByte));
  do {  // it is read on nevertheless
    ASSERT_TRUE(Partial({10'000, 10'001}, kSoon).ok());
  } while (tiers_[0] == Tier::kAbsent);
  EXPECT_EQ(CountWrongRows(spec_, {10'000, 10'001}, rows_), 0U);

  std::thread release([&] {
    absl::SleepFor(kSoon);
    Release();
  });
  const std::vector<RowId> ids = {12'000, 12'001, 12'002, 12'003};
  ASSERT_TRUE(Partial(ids, absl::Hours(1)).ok());
  release.join();
  EXPECT_THAT(tiers_, Each(Tier::kCold));
  EXPECT_EQ(CountWrongRows(spec_, ids, rows_), 0U);
}

TEST_F(PartialFetchTest, OneThatIsCancelledWhileItWaitsForMemoryReadsNothing) {
  TakeAllLateMemory();
  CancelFlag cancelled = 1;
  EXPECT_TRUE(absl::IsCancelled(Partial({12'000, 12'001}, absl::Hours(1), &cancelled)));
  cancelled = 0;
  std::thread cancel([&] {
    absl::SleepFor(kSoon);
    cancelled = 1;
    Release();
  });
  EXPECT_TRUE(absl::IsCancelled(Partial({12'000, 12'001}, absl::Hours(1), &cancelled)));
  cancel.join();
  AwaitNoLateRows();
  for (const auto& call : script_->calls()) {
    for (const RowRead& read : call) EXPECT_LT(read.row_id, 12'000U);
  }
}

TEST_F(PartialFetchTest, TheSameGroupTwiceComesTwice) {
  Release();
  const std::vector<RowId> ids = {20, 21, 30, 31, 20, 21, 20, 21};
  ASSERT_TRUE(Partial(ids, absl::Hours(1)).ok());
  EXPECT_EQ(CountWrongRows(spec_, ids, rows_), 0U);
  EXPECT_THAT(tiers_, Each(testing::AnyOf(Tier::kCold, Tier::kRam)));
}

}  // namespace
}  // namespace engram::storage
