#include "storage/fetch/fetch_operation.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "storage/cold/page_layout.h"
#include "storage/ram/ram_tiers.h"
#include "tests/storage/cold/cold_testing.h"
#include "tests/storage/fetch/fetch_testing.h"
#include "tests/storage/import/model_files_testing.h"

namespace engram::storage {
namespace {

using testing::ElementsAre;

constexpr uint64_t kMiB = 1 << 20;

TableSpec GroupedSpec(uint32_t group_size) {
  TableSpec spec = OpaqueSpec(20'000, 264);
  spec.group_size = group_size;
  return spec;
}

// Fetches of one table, with a scheduler of four threads.
class FetchOperationTest : public testing::Test {
 protected:
  void Make(uint32_t group_size, uint64_t ram_budget) {
    spec_ = GroupedSpec(group_size);
    table_ = NewTableVersion(spec_, script_, RamTiers(ram_budget).NewCache(spec_));
  }

  // Runs a fetch and waits. Its output is rows_ and tiers_.
  absl::Status Fetch(const std::vector<RowId>& ids, absl::Time deadline = absl::InfiniteFuture()) {
    rows_.assign(ids.size() * spec_.row_bytes, std::byte{0xEE});
    tiers_.assign(ids.size() / spec_.group_size, Tier{0});
    absl::Notification done;
    absl::Status result;
    RunFetch(
        {.table = table_,
         .row_ids = ids,
         .rows = absl::MakeSpan(rows_),
         .tiers = absl::MakeSpan(tiers_),
         .deadline = deadline},
        [&](absl::Status status) {
          result = std::move(status);
          done.Notify();
        },
        &scheduler_);
    done.WaitForNotification();
    return result;
  }

  TableSpec spec_;
  const std::shared_ptr<ColdScript> script_ = std::make_shared<ColdScript>();
  std::shared_ptr<TableVersion> table_;
  std::vector<std::byte> rows_;
  std::vector<Tier> tiers_;
  IoScheduler scheduler_{4};
};

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
  RunFetch(
      {.table = table_, .row_ids = ids, .rows = absl::MakeSpan(rows_)},
      [&, caller = std::this_thread::get_id()](const absl::Status& status) {
        EXPECT_TRUE(status.ok());
        EXPECT_EQ(std::this_thread::get_id(), caller);
        done = true;
      },
      &scheduler_);
  EXPECT_TRUE(done);
  EXPECT_EQ(script_->calls().size(), 1U);
}

TEST_F(FetchOperationTest, WhetherRowsComeInTimeIsCounted) {
  Make(1, 16 * kMiB);
  const auto fetch = [this](absl::Time needed_at, absl::Time deadline) {
    rows_.resize(spec_.row_bytes);
    std::promise<absl::Status> done;
    const std::vector<RowId> ids = {7};
    RunFetch(
        {.table = table_,
         .row_ids = ids,
         .rows = absl::MakeSpan(rows_),
         .needed_at = needed_at,
         .deadline = deadline},
        [&](absl::Status status) { done.set_value(std::move(status)); }, &scheduler_);
    return done.get_future().get();
  };
  const auto counts = [this] {
    const TableStats stats = table_->Stats();
    return std::vector<uint64_t>{stats.fetches_on_time, stats.fetches_late};
  };
  const absl::Time past = absl::Now() - absl::Seconds(1);
  const absl::Time far = absl::Now() + absl::Hours(1);
  const absl::Time never = absl::InfiniteFuture();
  // From disk; then, as it is in RAM, from there.
  for (const uint64_t times : {1U, 2U}) {
    ASSERT_TRUE(fetch(times == 1 ? far : past, never).ok());
    EXPECT_THAT(counts(), ElementsAre(1U, times - 1));
  }
  ASSERT_TRUE(fetch(never, far).ok());
  EXPECT_THAT(counts(), ElementsAre(2U, 1U));
  ASSERT_TRUE(fetch(past, far).ok());
  EXPECT_THAT(counts(), ElementsAre(2U, 2U));
  // Nobody said.
  ASSERT_TRUE(fetch(never, never).ok());
  EXPECT_THAT(counts(), ElementsAre(2U, 2U));
}

TEST_F(FetchOperationTest, AFetchPastItsDeadlineIsLate) {
  Make(1, 0);
  EXPECT_TRUE(absl::IsDeadlineExceeded(Fetch({1}, absl::Now() - absl::Seconds(1))));
  EXPECT_EQ(table_->Stats().fetches_late, 1U);
  EXPECT_EQ(table_->Stats().wasted_reads, 0U);  // none was made
}

TEST_F(FetchOperationTest, WithoutAWordTheTablesWindowTellsWhenRowsAreNeeded) {
  for (const absl::Duration window : {absl::Hours(1), absl::Nanoseconds(1)}) {
    spec_ = GroupedSpec(1);
    table_ = NewTableVersion(spec_, script_, RamTiers(0).NewCache(spec_), window);
    ASSERT_TRUE(Fetch({1, 2, 3}).ok());
    EXPECT_EQ(table_->Stats().fetches_on_time, window > absl::Seconds(1) ? 1U : 0U);
    EXPECT_EQ(table_->Stats().fetches_late, window > absl::Seconds(1) ? 0U : 1U);
  }
}

TEST_F(FetchOperationTest, ACancelledFetchReadsNoMore) {
  Make(1, 0);
  CancelFlag cancelled = 0;
  script_->on_read = [&](absl::Span<const RowRead> /*reads*/) {
    cancelled = 1;
    return absl::OkStatus();
  };
  const auto fetch = [&] {
    rows_.resize(3 * spec_.row_bytes);
    const std::vector<RowId> ids = {1, 500, 900};
    std::promise<absl::Status> done;
    RunFetch(
        {.table = table_,
         .row_ids = ids,
         .rows = absl::MakeSpan(rows_),
         .needed_at = absl::InfinitePast(),
         .cancelled = &cancelled},
        [&](absl::Status status) { done.set_value(std::move(status)); }, &scheduler_);
    return done.get_future().get();
  };
  EXPECT_TRUE(absl::IsCancelled(fetch()));  // by its first read
  EXPECT_EQ(table_->Stats().wasted_reads, 3U);
  EXPECT_TRUE(absl::IsCancelled(fetch()));  // before it
  const TableStats stats = table_->Stats();
  EXPECT_EQ(stats.wasted_reads, 3U);
  EXPECT_EQ(stats.fetch_errors, 2U);
  EXPECT_EQ(stats.fetches_late + stats.fetches_on_time, 0U);
  EXPECT_EQ(script_->calls().size(), 1U);
}

// One I/O thread, which is busy while the others queue up.
TEST_F(FetchOperationTest, RowsNeededFirstAreReadFirst) {
  Make(1, 0);
  std::promise<void> released;
  script_->on_read = [&, first = true](absl::Span<const RowRead> /*reads*/) mutable {
    if (std::exchange(first, false)) released.get_future().wait();
    return absl::OkStatus();
  };
  const absl::Time soon = absl::Now() + absl::Milliseconds(300);
  std::vector<std::byte> rows(4 * spec_.row_bytes);
  const std::vector<RowId> ids = {0, 1, 2, 3};
  {
    IoScheduler one_thread(1);
    const auto start = [&](RowId id, absl::Time needed_at, absl::Time deadline) {
      RunFetch(
          {.table = table_,
           .row_ids = absl::MakeConstSpan(ids).subspan(id, 1),
           .rows = absl::MakeSpan(rows).subspan(id * spec_.row_bytes, spec_.row_bytes),
           .needed_at = needed_at,
           .deadline = deadline},
          [](const absl::Status& status) { EXPECT_TRUE(status.ok()) << status; }, &one_thread);
    };
    start(0, absl::InfinitePast(), absl::InfiniteFuture());
    while (script_->calls().empty()) std::this_thread::yield();
    start(1, soon + absl::Milliseconds(2), absl::InfiniteFuture());
    start(2, absl::InfiniteFuture(), soon + absl::Hours(1));
    start(3, soon, soon + absl::Hours(2));
    released.set_value();
  }
  std::vector<RowId> order;
  for (const auto& reads : script_->calls()) order.push_back(reads.front().row_id);
  EXPECT_THAT(order, ElementsAre(0, 3, 1, 2));
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
  RunFetch(
      {.table = std::move(table_), .row_ids = ids, .rows = absl::MakeSpan(rows_)},
      [&](const absl::Status& status) {
        EXPECT_TRUE(status.ok());
        tables_left.set_value(script_->tables);
      },
      &scheduler_);
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
    RunFetch(
        {.table = table_, .row_ids = ids, .rows = absl::MakeSpan(rows_)},
        [&, times](const absl::Status& status) {
          EXPECT_TRUE(status.ok());
          if (times == 1) {
            done.Notify();
          } else {
            fetch(times - 1);
          }
        },
        &scheduler_);
  };
  fetch(100);
  done.WaitForNotification();
  EXPECT_EQ(table_->Stats().fetches, 100U);
}

// Fetches of groups of 8 rows that run beside each other; group g is rows 8g to 8g + 7.
class SharedReadTest : public FetchOperationTest {
 protected:
  struct Run {
    std::vector<RowId> ids;
    std::vector<std::byte> rows;
    std::vector<Tier> tiers;
    std::promise<absl::Status> promise{};
    std::future<absl::Status> status = promise.get_future();

    bool ended() const {
      return status.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    }
  };

  void SetUp() override {
    Make(8, 0);
    script_->on_read = [this](absl::Span<const RowRead> reads) {
      absl::MutexLock lock(&mutex_);
      ++reads_of_[reads.front().row_id / 8];
      return answer_(reads.front().row_id / 8);
    };
  }

  std::unique_ptr<Run> Start(const std::vector<uint32_t>& groups,
                             absl::Time deadline = absl::InfiniteFuture()) {
    auto run = std::make_unique<Run>();
    for (const uint32_t group : groups) {
      for (uint32_t i = 0; i < 8; ++i) run->ids.push_back(group * 8 + i);
    }
    run->rows.resize(run->ids.size() * spec_.row_bytes);
    run->tiers.resize(groups.size());
    RunFetch(
        {.table = table_,
         .row_ids = run->ids,
         .rows = absl::MakeSpan(run->rows),
         .tiers = absl::MakeSpan(run->tiers),
         .deadline = deadline},
        [run = run.get()](absl::Status status) { run->promise.set_value(std::move(status)); },
        &scheduler_);
    return run;
  }

  void AwaitRead(uint32_t group) {
    absl::MutexLock lock(&mutex_);
    const auto was_read = [this, group]()
                              ABSL_NO_THREAD_SAFETY_ANALYSIS { return reads_of_[group] > 0; };
    mutex_.Await(absl::Condition(&was_read));
  }

  void ExpectRight(Run* run) {
    const absl::Status status = run->status.get();
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(CountWrongRows(spec_, run->ids, run->rows), 0U);
  }

  // Reads of group 1 take until this is set; a function of the lowest group of a read.
  bool released_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<absl::Status(uint64_t group)> answer_ =
      [this](uint64_t group) ABSL_NO_THREAD_SAFETY_ANALYSIS {
        if (group == 1) mutex_.Await(absl::Condition(&released_));
        return absl::OkStatus();
      };
  void Release() {
    absl::MutexLock lock(&mutex_);
    released_ = true;
  }
  int ReadsOf(uint32_t group) {
    absl::MutexLock lock(&mutex_);
    return reads_of_[group];
  }

  absl::Mutex mutex_;
  std::map<uint64_t, int> reads_of_ ABSL_GUARDED_BY(mutex_);  // by lowest group
};

TEST_F(SharedReadTest, WhatAnotherFetchIsReadingIsTakenFromThere) {
  const auto first = Start({1});
  AwaitRead(1);
  const auto second = Start({3, 1, 3, 1});
  AwaitRead(3);
  EXPECT_FALSE(second->ended());
  Release();
  ExpectRight(first.get());
  ExpectRight(second.get());
  EXPECT_EQ(ReadsOf(1), 1);
  EXPECT_THAT(second->tiers, ElementsAre(Tier::kCold, Tier::kRam, Tier::kRam, Tier::kRam));
  EXPECT_EQ(table_->Stats().ram.hits, 3U);
  // It is over: now the group would have to be read again.
  ExpectRight(Start({1}).get());
  EXPECT_EQ(ReadsOf(1), 2);
}

TEST_F(SharedReadTest, AFailureIsNotShared) {
  answer_ = [this, tries = 0](uint64_t group) mutable ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (group != 1 || ++tries > 1) return absl::OkStatus();
    mutex_.Await(absl::Condition(&released_));
    return absl::DataLossError("row 8: bad");
  };
  const auto first = Start({1});
  AwaitRead(1);
  const auto second = Start({3, 1, 5});
  AwaitRead(3);
  Release();
  EXPECT_THAT(first->status.get(), IsError(kDataLoss, "row 8: bad"));
  ExpectRight(second.get());
  EXPECT_EQ(ReadsOf(1), 2);
  EXPECT_THAT(second->tiers, ElementsAre(Tier::kCold, Tier::kCold, Tier::kCold));
}

TEST_F(SharedReadTest, NobodyWaitsForAFetchThatIsDueLater) {
  const absl::Time soon = absl::Now() + absl::Hours(1);
  answer_ = [this, tries = 0](uint64_t group) mutable ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (group == 1 && ++tries == 1) mutex_.Await(absl::Condition(&released_));
    return absl::OkStatus();
  };
  const auto first = Start({1}, soon + absl::Seconds(1));
  AwaitRead(1);
  ExpectRight(Start({1}, soon).get());
  EXPECT_FALSE(first->ended());
  Release();
  ExpectRight(first.get());
  EXPECT_EQ(ReadsOf(1), 2);
}

TEST_F(SharedReadTest, ASmallFetchDoesNotWaitForALargeOne) {
  answer_ = [this, tries = 0](uint64_t group) mutable ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (group == 1 && ++tries == 1) mutex_.Await(absl::Condition(&released_));
    return absl::OkStatus();
  };
  std::vector<uint32_t> many(500);
  std::iota(many.begin(), many.end(), 1);
  const auto large = Start(many);
  AwaitRead(1);
  ExpectRight(Start({1}).get());
  EXPECT_FALSE(large->ended());
  Release();
  ExpectRight(large.get());
}

// Each waits for groups that the other reads, again and again, while some reads fail.
TEST_F(SharedReadTest, ManyFetchesOfTheSameGroups) {
  std::atomic<int> reads = 0;
  script_->on_read = [&](absl::Span<const RowRead> /*reads*/) {
    return ++reads % 7 == 0 ? absl::DataLossError("bad") : absl::OkStatus();
  };
  std::mt19937 random(3);
  std::vector<std::unique_ptr<Run>> runs;
  for (int i = 0; i < 2000; ++i) {
    std::vector<uint32_t> groups(1 + random() % 6);
    for (uint32_t& group : groups) group = static_cast<uint32_t>(random() % 12);
    runs.push_back(Start(groups));
  }
  uint64_t failed = 0;
  for (const auto& run : runs) {
    const bool ok = run->status.get().ok();
    failed += ok ? 0 : 1;
    EXPECT_TRUE(!ok || CountWrongRows(spec_, run->ids, run->rows) == 0);
  }
  EXPECT_EQ(table_->Stats().fetch_errors, failed);
  EXPECT_EQ(table_->Stats().fetches, runs.size() - failed);
  EXPECT_LT(failed, runs.size() / 2);
}

}  // namespace
}  // namespace engram::storage
