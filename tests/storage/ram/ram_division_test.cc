// Goal: RAM moves to the table where it saves stall, by small steps or at once, as real caches are
// fetched from; a clock and traffic made up here.
#include "storage/ram/ram_division.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <vector>

#include "absl/time/time.h"
#include "storage/placement/reuse_policy.h"
#include "storage/placement/traffic_meter.h"
#include "storage/ram/ram_move.h"
#include "tests/storage/ram/ram_testing.h"

namespace engram::storage {
namespace {

using testing::HasSubstr;

constexpr uint64_t kBudget = uint64_t{2} << 20;  // some 6,800 groups
constexpr size_t kGroupsPerFetch = 6;
constexpr int kFetchesPerSecond = 400;

struct Shape {
  double exponent = 0.9;     // of the Zipf law by which groups are fetched; 0: all alike
  uint32_t groups = 10'000;  // that are fetched
  double late_seconds = 1e-3;
  double fixed_share = 0;
};

// A table with a cache, whose fetches take no time and are late if they miss.
class FetchedTable {
 public:
  FetchedTable(const Shape& shape, std::shared_ptr<RamShares> shares, uint32_t seed)
      : shape_(shape), random_(seed) {
    const ReusePolicy policy({});
    const double bytes_per_group = GroupCache::BytesPerGroup(spec_, policy);
    monitor_ = std::make_shared<UsageMonitor>(
        UsageMonitorOptions{.cache_groups = static_cast<uint64_t>(kBudget / bytes_per_group),
                            .bytes_per_group = bytes_per_group,
                            .random_seed = seed});
    cache_ = MakeCache(spec_, std::move(shares),
                       {.hash_seed = seed, .usage = monitor_, .fixed_share = shape.fixed_share});
    double sum = 0;
    for (uint32_t rank = 1; rank <= shape.groups; ++rank) {
      sum += std::pow(rank, -shape.exponent);
      cumulative_.push_back(sum);
    }
  }

  void FetchForASecond(absl::Time now) {
    for (int i = 0; i < kFetchesPerSecond; ++i) Fetch();
    monitor_->Process(now);
    meter_->Update(counters_, now);
  }

  BalancedTable Balanced() const {
    return {.identity = {.name = "t", .version = 1, .digest = {}},
            .table_bytes = spec_.table_bytes(),
            .traffic = meter_->Traffic(),
            .usage = monitor_->Report(),
            .share = cache_->share()};
  }
  double held() const { return static_cast<double>(cache_->share()->held_bytes()) / kBudget; }
  double hit_ratio() const { return meter_->Traffic().hit_ratio; }
  void ForgetTraffic() { meter_ = std::make_unique<TrafficMeter>(); }

 private:
  void Fetch() {
    std::vector<uint64_t> groups;
    for (size_t i = 0; i < kGroupsPerFetch; ++i) {
      const double at = std::uniform_real_distribution(0.0, cumulative_.back())(random_);
      const auto rank = std::lower_bound(cumulative_.begin(), cumulative_.end(), at);
      groups.push_back(static_cast<uint64_t>(rank - cumulative_.begin()));
    }
    const std::vector<RowId> ids = GroupIds(spec_, groups);
    rows_.resize(ids.size() * spec_.row_bytes);
    std::vector<uint32_t> misses;
    cache_->Lookup(ids, rows_.data(), &misses);
    cache_->Admit(ids, rows_.data(), misses);
    ++counters_.fetches;
    counters_.groups += kGroupsPerFetch;
    counters_.ram_hits += kGroupsPerFetch - misses.size();
    counters_.reads += misses.size() * spec_.group_size;
    if (misses.empty()) return;
    ++counters_.disk_fetches;
    counters_.stall_seconds += shape_.late_seconds;
  }

  const Shape shape_;
  const TableSpec spec_ = MakeSpec(1'000'000, 64, 4);
  std::mt19937 random_;
  std::vector<double> cumulative_;
  std::vector<std::byte> rows_;
  std::shared_ptr<UsageMonitor> monitor_;
  std::unique_ptr<GroupCache> cache_;
  TrafficCounters counters_;
  std::unique_ptr<TrafficMeter> meter_ = std::make_unique<TrafficMeter>();
};

class RamDivisionTest : public testing::Test {
 protected:
  void Make(const Shape& first, const Shape& second) {
    first_ = std::make_unique<FetchedTable>(first, shares_, 1);
    second_ = std::make_unique<FetchedTable>(second, shares_, 2);
  }
  void Run(int seconds) {
    for (int i = 0; i < seconds; ++i) {
      now_ += absl::Seconds(1);
      first_->FetchForASecond(now_);
      second_->FetchForASecond(now_);
      ASSERT_LE(shares_->budget()->used_bytes(), kBudget);
    }
  }
  // Until enough is known, then so many steps with ten seconds of traffic after each.
  void RunSteps(int steps) {
    Run(60);
    for (int i = 0; i < steps; ++i) {
      StepDivision(shares_.get(), Tables());
      Run(10);
    }
  }
  std::vector<BalancedTable> Tables() const { return {first_->Balanced(), second_->Balanced()}; }

  std::shared_ptr<RamShares> shares_ =
      std::make_shared<RamShares>(std::make_shared<ByteBudget>(kBudget));
  std::unique_ptr<FetchedTable> first_;
  std::unique_ptr<FetchedTable> second_;
  absl::Time now_ = absl::FromUnixSeconds(1'000'000);
};

TEST_F(RamDivisionTest, MemoryMovesToWhereItSavesStall) {
  Make({}, {.exponent = 0, .groups = 60'000});
  Run(60);
  EXPECT_NEAR(first_->held(), 0.5, 0.05);
  const double before = first_->hit_ratio();
  RunSteps(14);
  EXPECT_GT(first_->held(), 0.8);
  EXPECT_GT(first_->hit_ratio(), before + 0.05);
}

TEST_F(RamDivisionTest, WhereAWindowHidesMissesTheOtherTableWins) {
  Make({.late_seconds = 0}, {});
  RunSteps(10);
  EXPECT_GT(second_->held(), 0.6);
}

TEST_F(RamDivisionTest, EqualsStayEqual) {
  Make({}, {});
  RunSteps(5);
  EXPECT_NEAR(first_->held(), 0.5, 0.06);
}

TEST_F(RamDivisionTest, AFixedShareStays) {
  Make({}, {.exponent = 0, .groups = 60'000, .fixed_share = 0.5});
  RunSteps(10);
  EXPECT_NEAR(second_->held(), 0.5, 0.06);
  EXPECT_EQ(PlanDivision(*shares_, Tables())->plan.tables[1].basis, ShareBasis::kFixed);
}

TEST_F(RamDivisionTest, PlansNothingOnTooLittle) {
  Make({}, {});
  EXPECT_THAT(std::string(PlanDivision(*shares_, Tables()).status().message()),
              HasSubstr("no table was fetched from"));
  Run(12);
  const absl::Status status = PlanDivision(*shares_, Tables()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("of 10000 sampled uses"));
  EXPECT_EQ(StepDivision(shares_.get(), Tables()), 0u);
}

// The prediction of the plan is what then happens.
TEST_F(RamDivisionTest, AMoveBringsWhatWasPredicted) {
  Make({}, {.exponent = 0, .groups = 60'000});
  Run(240);  // first uses are few by then
  auto division = PlanDivision(*shares_, Tables());
  ASSERT_TRUE(division.ok()) << division.status();
  const RebalancePlan plan = division->plan;
  EXPECT_TRUE(plan.worthwhile);
  EXPECT_NEAR(plan.tables[0].now.hit_ratio, first_->hit_ratio(), 0.03);
  {
    RamMove move(shares_.get(), division->targets);
    EXPECT_NEAR(static_cast<double>(move.bytes_to_move()), static_cast<double>(plan.bytes_to_move),
                static_cast<double>(kBudget) / 32);
    uint64_t before = shares_->budget()->used_bytes();
    while (move.Step(now_)) {
      Run(1);
      const uint64_t used = shares_->budget()->used_bytes();
      EXPECT_GE(used + kBudget / 16, before);  // no more than a piece or two lie free
      before = used;
    }
    EXPECT_EQ(move.bytes_moved(), move.bytes_to_move());
  }
  Run(60);
  first_->ForgetTraffic();
  Run(60);
  EXPECT_NEAR(first_->held(), static_cast<double>(plan.tables[0].planned.bytes) / kBudget, 0.04);
  EXPECT_NEAR(first_->hit_ratio(), plan.tables[0].planned.hit_ratio, 0.03);
}

TEST_F(RamDivisionTest, ACancelledMoveStaysWhereItIs) {
  Make({}, {.exponent = 0, .groups = 60'000});
  Run(60);
  auto division = PlanDivision(*shares_, Tables());
  ASSERT_TRUE(division.ok()) << division.status();
  {
    RamMove move(shares_.get(), division->targets);
    while (move.Step(now_) && move.bytes_moved() * 2 < move.bytes_to_move()) Run(1);
    move.Cancel();
  }
  const double held = first_->held();
  EXPECT_GT(held, 0.55);
  Run(30);
  EXPECT_NEAR(first_->held(), held, 0.04);
  EXPECT_LT(first_->held(), 0.9);
}

TEST_F(RamDivisionTest, AMoveThatNobodyWantsEnds) {
  Make({}, {.exponent = 0, .groups = 60'000});
  Run(60);
  auto division = PlanDivision(*shares_, Tables());
  ASSERT_TRUE(division.ok()) << division.status();
  RamMove move(shares_.get(), division->targets);
  int steps = 0;
  while (move.Step(now_)) {  // without any traffic
    now_ += RamMove::kPeriod;
    ASSERT_LT(++steps, 2000);
  }
  EXPECT_LT(move.bytes_moved(), move.bytes_to_move());
}

}  // namespace
}  // namespace engram::storage
