// Goal: advice is read off the daemon's predictions, and refused where they rest on too little.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/ctl/advice.h"
#include "client/ctl/stall_advice.h"
#include "tests/client/ctl/ctl_testing.h"
#include "tests/client/ctl/fake_daemon_testing.h"

namespace engram::ctl {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::DoubleNear;
using testing::HasSubstr;
using testing::SizeIs;

// 1, 4 and 16 MB hit 20, 60 and 80 % of groups of eight rows.
v1::GetStatsResponse Stats() {
  v1::GetStatsResponse stats;
  v1::TableStats* const table = stats.add_tables();
  table->set_published(true);
  table->mutable_identity()->set_name("t");
  table->mutable_identity()->set_version(3);
  table->mutable_spec()->set_group_size(8);
  v1::TableUsage* const usage = table->mutable_usage();
  usage->set_sampled_uses(20'000);
  usage->set_sampling_rate(0.125);
  usage->set_bytes_per_group(2000);
  for (const auto& [megabytes, ratio] : {std::pair(1, 0.2), {4, 0.6}, {16, 0.8}}) {
    v1::HitRatioPoint* const point = usage->add_hit_ratios();
    point->set_groups(megabytes * 500);
    point->set_bytes(megabytes * 1e6);
    point->set_hit_ratio(ratio);
  }
  return stats;
}

TEST(AdviceTest, ReadsBetweenTheSizesSimulated) {
  const auto advice = Advice::Create(Stats());
  ASSERT_TRUE(advice.ok()) << advice.status();
  EXPECT_THAT(advice->Simulated(), SizeIs(3));
  EXPECT_THAT(advice->ForBytes(1e6).hit_ratio, DoubleNear(0.2, 1e-9));
  EXPECT_FALSE(advice->ForBytes(1e6).at_least);
  EXPECT_THAT(advice->ForBytes(2e6).hit_ratio, DoubleNear(0.4, 1e-9));
  EXPECT_THAT(advice->ForBytes(8e6).hit_ratio, DoubleNear(0.7, 1e-9));
  EXPECT_THAT(advice->ForBytes(5e5).hit_ratio, DoubleNear(0.1, 1e-9));
  EXPECT_TRUE(advice->ForBytes(5e5).at_least);
  EXPECT_THAT(advice->ForBytes(1e9).hit_ratio, DoubleNear(0.8, 1e-9));
  EXPECT_TRUE(advice->ForBytes(1e9).at_least);
  EXPECT_THAT(advice->ColdReadsPerGroup(0.75), DoubleNear(2, 1e-9));
}

TEST(AdviceTest, FindsTheSizeForATarget) {
  const auto advice = Advice::Create(Stats());
  ASSERT_TRUE(advice.ok()) << advice.status();
  EXPECT_THAT(advice->ForHitRatio(0.4).bytes.value(), DoubleNear(2e6, 1));
  EXPECT_THAT(advice->ForHitRatio(0.8).bytes.value(), DoubleNear(16e6, 1));
  EXPECT_FALSE(advice->ForHitRatio(0.81).bytes.has_value());
  EXPECT_THAT(advice->ForHitRatio(0.1).bytes.value(), DoubleNear(1e6, 1));
  EXPECT_TRUE(advice->ForHitRatio(0.1).at_most);
}

TEST(AdviceTest, RefusesWhereTooLittleIsKnown) {
  v1::GetStatsResponse stats = Stats();
  stats.mutable_tables(0)->mutable_usage()->set_sampled_uses(9000);
  EXPECT_THAT(Advice::Create(stats).status().message(),
              AllOf(HasSubstr("too little traffic of t version 3"), HasSubstr("9,000 of 10,000"),
                    HasSubstr("about 8,000 groups more")));
  stats.mutable_tables(0)->clear_usage();
  EXPECT_THAT(Advice::Create(stats).status().message(), HasSubstr("held whole in RAM"));
  stats.mutable_tables(0)->set_published(false);
  EXPECT_THAT(Advice::Create(stats).status().message(), HasSubstr("no version"));
}

TEST(AdviseCommandTest, PrintsSizesAndTheTarget) {
  FakeDaemon daemon;
  daemon.stats = Stats();
  const Outcome text = RunCtl({"advise", "t", "--ram", "2MB", "--ram", "1GB", "--target-hit", "0.7",
                               "--address", daemon.address()});
  EXPECT_EQ(text.exit_code, kSuccess) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("t version 3: predicted from 20,000 uses of 12.5 %"),
                              ContainsRegex("2.00 MB +1,000 +40.0 % +4.80\n"),
                              ContainsRegex("1.00 GB +500,000 +>= 80.0 % +<= 1.60\n"),
                              HasSubstr("a hit ratio of 70.0 % needs 8.00 MB of RAM\n")));
  const Outcome out =
      RunCtl({"advise", "t", "--json", "--target-hit", "0.9", "--address", daemon.address()});
  EXPECT_EQ(out.json()["sizes"].size(), 3u);
  EXPECT_TRUE(out.json()["target"]["ram_bytes"].is_null());
}

// Half of the fetches of three groups need NVMe, as if two were independent, and then are 1 ms
// late.
v1::GetStatsResponse StallStats() {
  v1::GetStatsResponse stats = Stats();
  v1::TablePlacement* const placement = stats.mutable_tables(0)->mutable_placement();
  placement->set_fetches_per_second(50);
  placement->set_groups_per_fetch(3);
  placement->set_disk_share(0.5);
  placement->set_late_us(1000);
  placement->set_reads_per_miss(4);
  placement->set_independent_groups(2);
  return stats;
}

TEST(StallAdviceTest, FindsTheRamForAStall) {
  const auto table = Advice::Create(StallStats());
  ASSERT_TRUE(table.ok()) << table.status();
  const auto advice = StallAdvice::Create({*table}, 100);
  ASSERT_TRUE(advice.ok()) << advice.status();
  const StallTarget target = advice->ForTarget(0.1 * (1 - 0.6 * 0.6));
  EXPECT_TRUE(target.reached);
  EXPECT_THAT(target.bytes(), DoubleNear(4e6, 100));
  EXPECT_THAT(target.tables[0].hit_ratio, DoubleNear(0.6, 1e-4));
  EXPECT_THAT(target.tables[0].stall_us, DoubleNear(640, 0.1));
  EXPECT_THAT(target.reads_per_second(), DoubleNear(100 * 0.4 * 3 * 4, 0.1));
  const StallTarget beyond = advice->ForTarget(0.01);
  EXPECT_FALSE(beyond.reached);
  EXPECT_THAT(beyond.bytes(), DoubleNear(16e6, 1));
  EXPECT_THAT(beyond.stall, DoubleNear(0.036, 1e-9));
  EXPECT_EQ(advice->ForTarget(1).bytes(), 0);
}

TEST(StallAdviceTest, GivesNothingToTheTableWhoseWindowHidesItAll) {
  v1::GetStatsResponse hidden = StallStats();
  hidden.mutable_tables(0)->mutable_placement()->set_late_us(0);
  const auto advice =
      StallAdvice::Create({*Advice::Create(StallStats()), *Advice::Create(hidden)}, std::nullopt);
  ASSERT_TRUE(advice.ok()) << advice.status();
  const StallTarget target = advice->ForTarget(0.05 * (1 - 0.6 * 0.6));
  EXPECT_THAT(target.tables[0].bytes, DoubleNear(4e6, 100));
  EXPECT_EQ(target.tables[1].bytes, 0);
  EXPECT_EQ(target.tables[1].fetches_per_second, 50);
}

TEST(StallAdviceTest, RefusesWhatWasNotMeasured) {
  EXPECT_THAT(StallAdvice::Create({*Advice::Create(Stats())}, 100).status().message(),
              HasSubstr("no fetch of t version 3 needed NVMe lately"));
}

TEST(AdviseCommandTest, PrintsTheStallTarget) {
  FakeDaemon daemon;
  daemon.stats = StallStats();
  const Outcome text = RunCtl({"advise", "t", "--target-stall", "6.4%", "--tokens-per-s", "100",
                               "--address", daemon.address()});
  EXPECT_EQ(text.exit_code, kSuccess) << text.err;
  EXPECT_THAT(text.out, HasSubstr("a stall of 6.4 % needs 4.00 MB of RAM, and leaves 480 NVMe "
                                  "reads/s\n"));
  const Outcome json = RunCtl(
      {"advise", "t", "t", "--json", "--target-stall", "0.01", "--address", daemon.address()});
  EXPECT_EQ(json.json()["tables"].size(), 2u);
  EXPECT_EQ(json.json()["target_stall"]["reached"], false);
  EXPECT_EQ(RunCtl({"advise", "t", "--target-stall", "lots"}).exit_code, kUsage);
  EXPECT_EQ(RunCtl({"advise", "t", "--tokens-per-s", "5"}).exit_code, kUsage);
}

TEST_F(CtlTest, AdviceNeedsTraffic) {
  ImportDemo();
  const Outcome outcome = Run({"advise", "demo/layer1"});
  EXPECT_EQ(outcome.exit_code, kFailed);
  EXPECT_THAT(outcome.err, HasSubstr("too little traffic of demo/layer1 version 1"));
  EXPECT_THAT(Run({"advise", "no/such"}).err, HasSubstr("no table named"));
  EXPECT_EQ(Run({"advise", "demo/layer1", "--target-hit", "1.5"}).exit_code, kUsage);
}

}  // namespace
}  // namespace engram::ctl
