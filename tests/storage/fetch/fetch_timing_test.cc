// Goal: reads go by when their rows are needed, whether they came in time is counted, and a fetch
// that nobody waits for stops.
#include <gmock/gmock.h>

#include <future>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "storage/fetch/fetch_operation.h"
#include "tests/storage/fetch/fetch_operation_testing.h"

namespace engram::storage {
namespace {

using testing::ElementsAre;

using FetchTimingTest = FetchOperationTest;

TEST_F(FetchTimingTest, WhetherRowsComeInTimeIsCounted) {
  Make(1, 16 * kMiB);
  const auto fetch = [this](absl::Time needed_at, absl::Time deadline) {
    rows_.resize(spec_.row_bytes);
    std::promise<absl::Status> done;
    const std::vector<RowId> ids = {7};
    RunFetch({.table = table_,
              .row_ids = ids,
              .rows = absl::MakeSpan(rows_),
              .needed_at = needed_at,
              .deadline = deadline},
             [&](absl::Status status) { done.set_value(std::move(status)); },
             {.scheduler = &scheduler_});
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

TEST_F(FetchTimingTest, AFetchPastItsDeadlineIsLate) {
  Make(1, 0);
  EXPECT_TRUE(absl::IsDeadlineExceeded(Fetch({1}, absl::Now() - absl::Seconds(1))));
  EXPECT_EQ(table_->Stats().fetches_late, 1U);
  EXPECT_EQ(table_->Stats().wasted_reads, 0U);  // none was made
}

TEST_F(FetchTimingTest, WithoutAWordTheTablesWindowTellsWhenRowsAreNeeded) {
  for (const absl::Duration window : {absl::Hours(1), absl::Nanoseconds(1)}) {
    spec_ = GroupedSpec(1);
    table_ = NewTableVersion(spec_, script_, RamTiers(0).NewCache(spec_), window);
    ASSERT_TRUE(Fetch({1, 2, 3}).ok());
    EXPECT_EQ(table_->Stats().fetches_on_time, window > absl::Seconds(1) ? 1U : 0U);
    EXPECT_EQ(table_->Stats().fetches_late, window > absl::Seconds(1) ? 0U : 1U);
  }
}

TEST_F(FetchTimingTest, ACancelledFetchReadsNoMore) {
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
    RunFetch({.table = table_,
              .row_ids = ids,
              .rows = absl::MakeSpan(rows_),
              .needed_at = absl::InfinitePast(),
              .cancelled = &cancelled},
             [&](absl::Status status) { done.set_value(std::move(status)); },
             {.scheduler = &scheduler_});
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

TEST_F(FetchTimingTest, ACallerThatMayReadDoesSoWhereItIsUrgentAndLittle) {
  Make(1, 0);
  std::thread::id reader;
  script_->on_read = [&](absl::Span<const RowRead>) {
    reader = std::this_thread::get_id();
    return absl::OkStatus();
  };
  const auto caller_read = [&](size_t rows, absl::Duration patience, bool may_read, bool bulk) {
    rows_.resize(rows * spec_.row_bytes);
    std::vector<RowId> ids(rows);
    std::iota(ids.begin(), ids.end(), 0);
    std::promise<absl::Status> done;
    RunFetch({.table = table_,
              .row_ids = ids,
              .rows = absl::MakeSpan(rows_),
              .needed_at = absl::Now() + patience,
              .bulk = bulk,
              .caller_may_read = may_read},
             [&](absl::Status status) { done.set_value(std::move(status)); },
             {.scheduler = &scheduler_});
    EXPECT_TRUE(done.get_future().get().ok());
    EXPECT_EQ(CountWrongRows(spec_, ids, rows_), 0U);
    return reader == std::this_thread::get_id();
  };
  EXPECT_TRUE(caller_read(3, absl::ZeroDuration(), true, false));
  EXPECT_FALSE(caller_read(3, absl::ZeroDuration(), false, false));
  EXPECT_FALSE(caller_read(3, absl::Hours(1), true, false));
  EXPECT_FALSE(caller_read(100, absl::ZeroDuration(), true, false));
  EXPECT_FALSE(caller_read(3, absl::ZeroDuration(), true, true));
}

// One I/O thread, which is busy while the others queue up.
TEST_F(FetchTimingTest, RowsNeededFirstAreReadFirst) {
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
      RunFetch({.table = table_,
                .row_ids = absl::MakeConstSpan(ids).subspan(id, 1),
                .rows = absl::MakeSpan(rows).subspan(id * spec_.row_bytes, spec_.row_bytes),
                .needed_at = needed_at,
                .deadline = deadline},
               [](const absl::Status& status) { EXPECT_TRUE(status.ok()) << status; },
               {.scheduler = &one_thread});
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

}  // namespace
}  // namespace engram::storage
