#include "storage/fetch/fetch_operation.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <future>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "storage/cold/page_layout.h"
#include "tests/storage/fetch/fetch_operation_testing.h"
#include "tests/storage/import/model_files_testing.h"

namespace engram::storage {
namespace {

using testing::Each;
using testing::ElementsAre;

TEST_F(FetchOperationTest, RowsComeInTheOrderAskedForAndAreReadSorted) {
  Make(1, 0);
  const std::vector<RowId> ids = {19'999, 5, 7, 5, 0, 12'345, 5};
  ASSERT_TRUE(Fetch(ids).ok());
  EXPECT_EQ(CountWrongRows(spec_, ids, rows_), 0U);
  EXPECT_THAT(tiers_, ElementsAre(Tier::kCold, Tier::kCold, Tier::kCold, Tier::kRam, Tier::kCold,
                                  Tier::kCold, Tier::kRam));
  ASSERT_EQ(script_->calls().size(), 1U);
  const std::vector<RowRead> reads = script_->calls().front();
  EXPECT_EQ(reads.size(), 5U);
  EXPECT_TRUE(std::is_sorted(reads.begin(), reads.end()));
  EXPECT_EQ(table_->Stats().cold.bytes_used, 5 * 264U);  // distinct rows
}

TEST_F(FetchOperationTest, GroupsInRamAreNotReadAgain) {
  Make(8, 16 * kMiB);
  const std::vector<RowId> first = {1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 18};
  ASSERT_TRUE(Fetch(first).ok());
  EXPECT_THAT(tiers_, ElementsAre(Tier::kCold, Tier::kCold));
  std::vector<RowId> second = {21, 22, 23, 24, 25, 26, 27, 28};
  second.insert(second.end(), first.begin() + 8, first.end());
  ASSERT_TRUE(Fetch(second).ok());
  EXPECT_THAT(tiers_, ElementsAre(Tier::kCold, Tier::kRam));
  EXPECT_EQ(CountWrongRows(spec_, second, rows_), 0U);
  EXPECT_EQ(script_->calls().back().size(), 8U);
  const TableStats stats = table_->Stats();
  EXPECT_EQ(stats.fetches, 2U);
  EXPECT_EQ(stats.groups, 4U);
  EXPECT_EQ(stats.ram.hits, 1U);
  EXPECT_EQ(stats.cold.hits, 3U);
  EXPECT_EQ(stats.ram.admissions, 3U);
}

TEST_F(FetchOperationTest, WhatIsAllInRamIsAnsweredByTheCaller) {
  Make(1, 16 * kMiB);
  const std::vector<RowId> ids = {3, 1, 4};
  ASSERT_TRUE(Fetch(ids).ok());
  bool done = false;
  RunFetch({.table = table_, .row_ids = ids, .rows = absl::MakeSpan(rows_)},
           [&, caller = std::this_thread::get_id()](const absl::Status& status) {
             EXPECT_TRUE(status.ok());
             EXPECT_EQ(std::this_thread::get_id(), caller);
             done = true;
           },
           {.scheduler = &scheduler_});
  EXPECT_TRUE(done);
  EXPECT_EQ(script_->calls().size(), 1U);
}

// Of the memory that is shared nothing is needed after the answer, not even for what RAM gets.
TEST_F(FetchOperationTest, ACallerThatReadsIsAnsweredBeforeRamHasTheRows) {
  Make(8, 16 * kMiB);
  std::vector<RowId> ids = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  ids.insert(ids.end(), ids.begin(), ids.begin() + 8);
  const std::vector<RowId> asked = ids;
  rows_.resize(ids.size() * spec_.row_bytes);
  bool done = false;
  RunFetch({.table = table_,
            .row_ids = ids,
            .rows = absl::MakeSpan(rows_),
            .rows_are_shared = true,
            .needed_at = absl::Now(),
            .caller_may_read = true},
           [&](const absl::Status& status) {
             EXPECT_TRUE(status.ok()) << status;
             EXPECT_EQ(CountWrongRows(spec_, ids, rows_), 0U);
             EXPECT_EQ(table_->Stats().ram.admissions, 0U);
             std::fill(ids.begin(), ids.end(), 19'999);
             std::fill(rows_.begin(), rows_.end(), std::byte{0xEE});
             done = true;
           },
           {.scheduler = &scheduler_});
  ASSERT_TRUE(done);
  EXPECT_EQ(table_->Stats().ram.admissions, 2U);

  ASSERT_TRUE(Fetch(asked).ok());
  EXPECT_EQ(CountWrongRows(spec_, asked, rows_), 0U);
  EXPECT_THAT(tiers_, Each(Tier::kRam));
  EXPECT_EQ(script_->calls().size(), 1U);
  EXPECT_EQ(table_->Stats().ram.hits, 4U);
}

// A large fetch is read by several threads, no page by two of them.
TEST_F(FetchOperationTest, ALargeFetchIsCutBetweenPages) {
  Make(2, 0);
  std::vector<RowId> ids = RandomIds(spec_.rows, 4000, 1);
  for (RowId id = 0; id < 3000; ++id) {
    ids.insert(ids.end(), {777, 5 * id});  // one page is most of one part
  }
  std::reverse(ids.begin(), ids.end());
  ASSERT_TRUE(Fetch(ids).ok());
  EXPECT_EQ(CountWrongRows(spec_, ids, rows_), 0U);
  const auto calls = script_->calls();
  EXPECT_GT(calls.size(), 1U);
  EXPECT_LE(calls.size(), 4U);
  const PageLayout layout(spec_);
  std::map<uint64_t, size_t> call_of_page;
  std::set<uint32_t> destinations;
  for (size_t call = 0; call < calls.size(); ++call) {
    for (const RowRead& read : calls[call]) {
      EXPECT_EQ(call_of_page.emplace(layout.page_of(read.row_id), call).first->second, call);
      EXPECT_TRUE(destinations.insert(read.destination).second);
    }
  }
  EXPECT_EQ(destinations.size(), ids.size());
}

TEST_F(FetchOperationTest, OnePageIsOnePart) {
  Make(8, 0);
  const std::vector<RowId> ids = RandomIds(PageLayout(spec_).rows_per_page, 5000, 1);
  ASSERT_TRUE(Fetch(ids).ok());
  EXPECT_EQ(CountWrongRows(spec_, ids, rows_), 0U);
  EXPECT_EQ(script_->calls().size(), 1U);
}

TEST_F(FetchOperationTest, PastItsDeadlineNothingIsRead) {
  Make(1, 16 * kMiB);
  ASSERT_TRUE(Fetch({1}).ok());
  EXPECT_THAT(Fetch({1, 2}, absl::Now() - absl::Seconds(1)),
              IsError(absl::StatusCode::kDeadlineExceeded, "before all was read"));
  EXPECT_EQ(script_->calls().size(), 1U);
  const TableStats stats = table_->Stats();
  EXPECT_EQ(stats.fetches, 1U);
  EXPECT_EQ(stats.fetch_errors, 1U);
  EXPECT_EQ(stats.cold.bytes_used, 264U);
  EXPECT_EQ(stats.cold.read_latency.count, 1U);
  // RAM does not take long enough to be late.
  EXPECT_TRUE(Fetch({1}, absl::Now() - absl::Seconds(1)).ok());
}

TEST_F(FetchOperationTest, AFailedPartFailsTheFetchOnce) {
  Make(1, 16 * kMiB);
  const std::vector<RowId> ids = RandomIds(spec_.rows, 4000, 2);
  script_->on_read = [&](absl::Span<const RowRead> reads) {
    return reads.back().row_id == ids.back() ? absl::DataLossError("row 7: bad") : absl::OkStatus();
  };
  EXPECT_THAT(Fetch(ids), IsError(kDataLoss, "row 7: bad"));
  EXPECT_EQ(table_->Stats().fetch_errors, 1U);
  EXPECT_EQ(table_->Stats().ram.admissions, 0U);  // nothing of unknown content goes to RAM
  script_->on_read = nullptr;
  ASSERT_TRUE(Fetch(ids).ok());
  EXPECT_EQ(CountWrongRows(spec_, ids, rows_), 0U);
  EXPECT_GT(table_->Stats().ram.admissions, 0U);
}

// The caller's reference may go while the fetch is under way; the fetch's own goes before `done`.
TEST_F(FetchOperationTest, TheTableLivesUntilDoneIsCalled) {
  Make(1, 0);
  absl::Notification go_on;
  script_->on_read = [&](absl::Span<const RowRead> /*reads*/) {
    go_on.WaitForNotification();
    return absl::OkStatus();
  };
  const std::vector<RowId> ids = {1, 2, 3};
  rows_.resize(ids.size() * spec_.row_bytes);
  std::promise<int> tables_left;
  RunFetch({.table = std::move(table_), .row_ids = ids, .rows = absl::MakeSpan(rows_)},
           [&](const absl::Status& status) {
             EXPECT_TRUE(status.ok());
             tables_left.set_value(script_->tables);
           },
           {.scheduler = &scheduler_});
  EXPECT_EQ(script_->tables, 1);
  go_on.Notify();
  EXPECT_EQ(tables_left.get_future().get(), 0);
  EXPECT_EQ(CountWrongRows(spec_, ids, rows_), 0U);
}

TEST_F(FetchOperationTest, DoneMayFetchAgain) {
  Make(1, 0);
  const std::vector<RowId> ids = {1, 2, 3};
  rows_.resize(ids.size() * spec_.row_bytes);
  absl::Notification done;
  std::function<void(int)> fetch = [&](int times) {
    RunFetch({.table = table_, .row_ids = ids, .rows = absl::MakeSpan(rows_)},
             [&, times](const absl::Status& status) {
               EXPECT_TRUE(status.ok());
               if (times == 1) {
                 done.Notify();
               } else {
                 fetch(times - 1);
               }
             },
             {.scheduler = &scheduler_});
  };
  fetch(100);
  done.WaitForNotification();
  EXPECT_EQ(table_->Stats().fetches, 100U);
}

}  // namespace
}  // namespace engram::storage
