// Goal: traces become the groups that the hash makes of them, and what is timed beside a policy
// does the same without it.
#include "tests/bench/policy_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "storage/placement/reuse_policy.h"
#include "tests/bench/group_trace.h"

namespace engram::bench {
namespace {

GroupTraceOptions Excerpt() {
  const std::string data = ENGRAM_TEST_DATA;
  return {.trace = data + "/prose_excerpt.u32.zst",
          .docs = data + "/prose_excerpt.docs.txt",
          .config = data + "/v41_config.json",
          .token_map = data + "/token_map.u32.zst"};
}

TEST(GroupTraceTest, NumbersTheGroupsOfEveryOrder) {
  const auto trace = ReadGroupTrace(Excerpt());
  ASSERT_TRUE(trace.ok()) << trace.status();
  EXPECT_EQ(trace->tokens, 302400u);
  ASSERT_EQ(trace->accesses.size(), 3 * trace->tokens);
  EXPECT_EQ(trace->group_size, 8u);
  EXPECT_EQ(trace->layer_id, 1u);
  EXPECT_EQ(trace->groups(), trace->distinct);
  uint32_t next = 0;
  for (size_t i = 0; i < trace->accesses.size(); ++i) {
    const uint32_t group = trace->accesses[i];
    ASSERT_LE(group, next);
    if (group == next) ++next;
    ASSERT_EQ(trace->keys[group].order, i % 3);
  }
  EXPECT_EQ(next, trace->distinct);
}

TEST(GroupTraceTest, ASeedHasTheSameNumbers) {
  GroupTraceOptions options = Excerpt();
  options.seed_trace = options.trace;
  options.seed_docs = options.docs;
  options.layer = 14;
  const auto trace = ReadGroupTrace(options);
  ASSERT_TRUE(trace.ok()) << trace.status();
  EXPECT_EQ(trace->layer_id, 14u);
  EXPECT_EQ(trace->seed, trace->accesses);
  EXPECT_EQ(trace->groups(), trace->distinct);
}

TEST(GroupTraceTest, RefusesALayerThatTheConfigLacks) {
  GroupTraceOptions options = Excerpt();
  options.layer = 2;
  const absl::Status status = ReadGroupTrace(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("v41_config.json has no Engram layer 2"), std::string::npos)
      << status;
}

TEST(GroupTraceTest, AScanIsSpreadOverTheSecondHalf) {
  GroupTrace trace;
  trace.orders = 3;
  trace.distinct = 2;
  trace.keys.resize(2);
  for (uint32_t i = 0; i < 1000; ++i) trace.accesses.push_back(i % 2);
  const GroupTrace scanned = WithScan(trace, 250);
  EXPECT_EQ(scanned.groups(), 252u);
  ASSERT_EQ(scanned.accesses.size(), 1250u);
  std::set<uint32_t> scan;
  std::vector<uint32_t> own;
  for (size_t i = 0; i < scanned.accesses.size(); ++i) {
    const uint32_t group = scanned.accesses[i];
    if (group < scanned.distinct) {
      own.push_back(group);
      continue;
    }
    EXPECT_EQ((i - 500) % 3, 2u);
    EXPECT_TRUE(scan.insert(group).second);
  }
  EXPECT_EQ(own, trace.accesses);
  EXPECT_EQ(scan.size(), 250u);
}

TEST(PolicyCacheTest, ARecordedPolicyHoldsTheSame) {
  auto trace = ReadGroupTrace(Excerpt());
  ASSERT_TRUE(trace.ok()) << trace.status();
  trace->accesses.resize(300000);
  const uint32_t slots = trace->distinct / 20;
  PolicyCache cache(trace->keys,
                    std::make_unique<storage::ReusePolicy>(
                        storage::ReusePolicyOptions{.orders = trace->orders, .random_seed = 1}),
                    slots);
  auto recorded = std::make_unique<RecordedPolicy>();
  RecordedPolicy& policy = *recorded;
  PolicyCache other(trace->keys, std::move(recorded), slots);
  std::vector<bool> held;
  for (const uint32_t group : trace->accesses) held.push_back(cache.Use(group));
  policy.SetPicks(cache.picks());
  size_t hits = 0;
  for (size_t i = 0; i < held.size(); ++i) {
    ASSERT_EQ(other.Use(trace->accesses[i]), held[i]);
    hits += held[i] ? 1 : 0;
  }
  EXPECT_GT(hits, held.size() / 4);
  EXPECT_TRUE(std::equal(cache.picks().begin(), cache.picks().end(), other.picks().begin(),
                         other.picks().end()));
}

}  // namespace
}  // namespace engram::bench
