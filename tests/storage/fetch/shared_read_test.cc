// Goal: what several fetches want at once is read by one of them, to nobody's harm.
#include <gmock/gmock.h>

#include <chrono>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "storage/fetch/fetch_operation.h"
#include "tests/storage/fetch/fetch_operation_testing.h"
#include "tests/storage/import/model_files_testing.h"

namespace engram::storage {
namespace {

using testing::Each;
using testing::ElementsAre;

// Fetches of groups of 8 rows that run beside each other; group g is rows 8g to 8g + 7.
class SharedReadTest : public FetchOperationTest {
 protected:
  struct Run {
    std::vector<RowId> ids;
    std::vector<std::byte> rows;
    std::vector<Tier> tiers;
    std::function<void()> on_answer;  // before the promise is kept
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
                             absl::Time deadline = absl::InfiniteFuture(), bool bulk = false) {
    auto run = NewRun(groups);
    RunFetch({.table = table_,
              .row_ids = run->ids,
              .rows = absl::MakeSpan(run->rows),
              .tiers = absl::MakeSpan(run->tiers),
              .deadline = deadline,
              .bulk = bulk},
             [run = run.get()](absl::Status status) { run->promise.set_value(std::move(status)); },
             {.scheduler = &scheduler_});
    return run;
  }

  // A fetch that is needed at once, by a thread that may read.
  void RunHere(Run* run) {
    RunFetch({.table = table_,
              .row_ids = run->ids,
              .rows = absl::MakeSpan(run->rows),
              .rows_are_shared = true,
              .tiers = absl::MakeSpan(run->tiers),
              .needed_at = absl::Now(),
              .caller_may_read = true},
             [run](absl::Status status) {
               if (run->on_answer) run->on_answer();
               run->promise.set_value(std::move(status));
             },
             {.scheduler = &scheduler_});
  }

  std::unique_ptr<Run> NewRun(const std::vector<uint32_t>& groups) const {
    auto run = std::make_unique<Run>();
    for (const uint32_t group : groups) {
      for (uint32_t i = 0; i < 8; ++i) run->ids.push_back(group * 8 + i);
    }
    run->rows.resize(run->ids.size() * spec_.row_bytes);
    run->tiers.resize(groups.size());
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
  // Of group 1 only the first read takes until then, and ends with `status`.
  void HoldFirstRead(const absl::Status& status) {
    answer_ = [this, status, tries = 0](uint64_t group) mutable ABSL_NO_THREAD_SAFETY_ANALYSIS {
      if (group != 1 || ++tries > 1) return absl::OkStatus();
      mutex_.Await(absl::Condition(&released_));
      return status;
    };
  }
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

// As the workers of one model do, which ask for the same rows at the same time.
TEST_F(SharedReadTest, ACallerThatReadsHandsItsRowsOnBeforeItIsAnswered) {
  const auto first = NewRun({1, 2});
  std::unique_ptr<Run> second;
  first->on_answer = [&] {
    EXPECT_EQ(second->status.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  };
  std::thread caller([&] { RunHere(first.get()); });
  AwaitRead(1);
  second = Start({2, 1, 2});
  Release();
  caller.join();
  ExpectRight(first.get());
  ExpectRight(second.get());
  EXPECT_EQ(ReadsOf(1), 1);
  EXPECT_THAT(second->tiers, Each(Tier::kRam));
}

TEST_F(SharedReadTest, AFailureOfACallerThatReadsIsNotShared) {
  HoldFirstRead(absl::DataLossError("row 8: bad"));
  const auto first = NewRun({1, 1});
  std::thread caller([&] { RunHere(first.get()); });
  AwaitRead(1);
  const auto second = Start({1});
  Release();
  caller.join();
  EXPECT_THAT(first->status.get(), IsError(kDataLoss, "row 8: bad"));
  ExpectRight(second.get());
  EXPECT_EQ(ReadsOf(1), 2);
}

TEST_F(SharedReadTest, AFailureIsNotShared) {
  HoldFirstRead(absl::DataLossError("row 8: bad"));
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
  HoldFirstRead(absl::OkStatus());
  const auto first = Start({1}, soon + absl::Seconds(1));
  AwaitRead(1);
  ExpectRight(Start({1}, soon).get());
  EXPECT_FALSE(first->ended());
  Release();
  ExpectRight(first.get());
  EXPECT_EQ(ReadsOf(1), 2);
}

TEST_F(SharedReadTest, NobodyButBulkFetchesWaitsForABulkFetch) {
  HoldFirstRead(absl::OkStatus());
  const auto first = Start({1}, absl::InfiniteFuture(), /*bulk=*/true);
  AwaitRead(1);
  ExpectRight(Start({1}).get());
  const auto other = Start({1}, absl::InfiniteFuture(), /*bulk=*/true);
  EXPECT_FALSE(first->ended());
  Release();
  ExpectRight(first.get());
  ExpectRight(other.get());
  EXPECT_EQ(ReadsOf(1), 2);
}

TEST_F(SharedReadTest, ASmallFetchDoesNotWaitForALargeOne) {
  HoldFirstRead(absl::OkStatus());
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
    if (i % 4 == 0) {
      runs.push_back(NewRun(groups));
      RunHere(runs.back().get());
    } else {
      runs.push_back(Start(groups));
    }
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
