#include <gmock/gmock.h>

#include "tests/client/ctl/ctl_testing.h"
#include "tests/client/ctl/fake_daemon_testing.h"

namespace engram::ctl {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

void SetOutcome(uint64_t bytes, double hit_ratio, double reads, double stall_us,
                v1::ShareOutcome* outcome) {
  outcome->set_bytes(bytes);
  outcome->set_hit_ratio(hit_ratio);
  outcome->set_reads_per_fetch(reads);
  outcome->set_stall_us(stall_us);
}

// 20 of 100 MB move from b to a; of c nothing is known.
v1::RebalanceProgress PlanMessage() {
  v1::RebalanceProgress message;
  message.set_bytes_total(20'000'000);
  v1::RebalancePlan* const plan = message.mutable_plan();
  plan->set_budget_bytes(100'000'000);
  plan->set_bytes_to_move(20'000'000);
  plan->set_worthwhile(true);
  for (const char* name : {"a", "b", "c"}) {
    v1::TableShare* const table = plan->add_tables();
    table->mutable_identity()->set_name(name);
    table->mutable_identity()->set_version(1);
    table->set_basis(name[0] == 'c' ? v1::SHARE_BASIS_SIZE : v1::SHARE_BASIS_SAVING);
    table->set_fetches_per_second(100);
  }
  SetOutcome(40'000'000, 0.5, 12, 90, plan->mutable_tables(0)->mutable_now());
  SetOutcome(60'000'000, 0.625, 9, 70.5, plan->mutable_tables(0)->mutable_planned());
  SetOutcome(40'000'000, 0.4, 14, 0, plan->mutable_tables(1)->mutable_now());
  SetOutcome(20'000'000, 0.3, 16, 0, plan->mutable_tables(1)->mutable_planned());
  SetOutcome(10'000'000, 0, 0, 0, plan->mutable_tables(2)->mutable_now());
  SetOutcome(10'000'000, 0, 0, 0, plan->mutable_tables(2)->mutable_planned());
  return message;
}

v1::RebalanceProgress Moved(uint64_t bytes, bool done) {
  v1::RebalanceProgress message;
  message.set_bytes_moved(bytes);
  message.set_bytes_total(20'000'000);
  message.set_done(done);
  return message;
}

TEST(RebalanceCommandTest, ADryRunPrintsThePlan) {
  FakeDaemon daemon;
  v1::RebalanceProgress plan = PlanMessage();
  plan.set_done(true);
  daemon.rebalance_progress = {plan};
  const Outcome text = RunCtl({"rebalance", "--dry-run", "--address", daemon.address()});
  EXPECT_EQ(text.exit_code, kSuccess) << text.err;
  EXPECT_TRUE(daemon.rebalance_request.dry_run());
  EXPECT_THAT(text.out,
              AllOf(ContainsRegex("a version 1 +saving +40.0 MB +60.0 MB +.20.0 MB +50.0 -> 62.5 +"
                                  "12.00 -> 9.00 +1200 -> 900 +90.0 -> 70.5\n"),
                    ContainsRegex("b version 1 +saving +40.0 MB +20.0 MB +-20.0 MB +40.0 -> 30.0"),
                    ContainsRegex("c version 1 +size +10.0 MB +10.0 MB +.0 B +- +- +- +-\n"),
                    HasSubstr("to move: 20.0 MB\n"), Not(HasSubstr("moved"))));
  const Outcome json = RunCtl({"rebalance", "--dry-run", "--json", "--address", daemon.address()});
  EXPECT_EQ(json.json()["bytes_to_move"], 20'000'000);
  EXPECT_EQ(json.json()["tables"][0]["planned"]["reads_per_second"], 900);
  EXPECT_EQ(json.json()["tables"][1]["basis"], "saving");
}

TEST(RebalanceCommandTest, MovesAndSaysHowMuch) {
  FakeDaemon daemon;
  daemon.rebalance_progress = {PlanMessage(), Moved(5'000'000, false), Moved(20'000'000, true)};
  const Outcome all = RunCtl({"rebalance", "--address", daemon.address()});
  EXPECT_EQ(all.exit_code, kSuccess) << all.err;
  EXPECT_THAT(all.out, EndsWith("to move: 20.0 MB\nmoved 20.0 MB of 20.0 MB\n"));
  daemon.rebalance_progress.back().set_bytes_moved(8'000'000);
  EXPECT_THAT(RunCtl({"rebalance", "--address", daemon.address()}).out,
              HasSubstr("moved 8.00 MB of 20.0 MB; no table wants more now"));
}

TEST(RebalanceCommandTest, CtrlCClosesTheCall) {
  FakeDaemon daemon;
  daemon.rebalance_progress = {PlanMessage(), Moved(5'000'000, false)};
  const Outcome outcome = RunCtl({"rebalance", "--address", daemon.address()},
                                 {.err_is_terminal = true, .on_err_flush = CtrlCOnce()});
  EXPECT_EQ(outcome.exit_code, kFailed);
  EXPECT_THAT(outcome.err, HasSubstr(" were moved, and stay where they are\n"));
  daemon.cancelled.WaitForNotification();
}

TEST_F(CtlTest, RebalancingNeedsTraffic) {
  ImportDemo();
  for (const bool dry_run : {true, false}) {
    std::vector<std::string> args = {"rebalance"};
    if (dry_run) args.push_back("--dry-run");
    const Outcome outcome = Run(args);
    EXPECT_EQ(outcome.exit_code, kFailed);
    EXPECT_THAT(outcome.err, HasSubstr("too little traffic to divide RAM by"));
  }
}

}  // namespace
}  // namespace engram::ctl
