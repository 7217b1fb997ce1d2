// Goal: random operations agree with a simple model, within budget. A cache may forget, so the
// model knows the upper bound of what it may hold; every byte that it serves must be right.
#include <gtest/gtest.h>

#include <random>
#include <unordered_set>

#include "storage/ram/group_cache.h"
#include "tests/storage/ram/ram_testing.h"

namespace engram::storage {
namespace {

struct Case {
  uint32_t row_bytes;
  uint32_t group_size;
  uint64_t budget_bytes;
  uint64_t distinct_groups;
  uint64_t hash_mask;
};

class GroupCacheRandomTest : public testing::TestWithParam<Case> {};

TEST_P(GroupCacheRandomTest, AgreesWithAModel) {
  const Case& c = GetParam();
  const TableSpec spec = MakeSpec(1'000'000'000, c.row_bytes, c.group_size);
  auto budget = std::make_shared<ByteBudget>(c.budget_bytes);
  const auto cache = MakeCache(spec, std::make_shared<RamShares>(budget),
                               {.hash_seed = 7, .hash_mask = c.hash_mask});
  std::unordered_set<uint64_t> admitted;
  std::mt19937_64 random(c.row_bytes * 31 + c.group_size);
  const auto draw = [&](size_t most) {
    std::vector<uint64_t> groups(random() % most);
    for (uint64_t& group : groups) {
      // Squared: some are far more popular than others.
      const double u = static_cast<double>(random() % 100'000) / 100'000;
      group = static_cast<uint64_t>(u * u * static_cast<double>(c.distinct_groups));
    }
    return groups;
  };
  uint64_t hits = 0;
  for (int step = 0; step < (kSanitized ? 100 : 1000); ++step) {
    if (random() % 3 == 0) {
      const std::vector<uint64_t> groups = draw(60);
      AdmitGroups(*cache, spec, groups);
      admitted.insert(groups.begin(), groups.end());
    } else {
      const std::vector<uint64_t> groups = draw(120);
      uint64_t may_hit = 0;
      for (const uint64_t group : groups) may_hit += admitted.contains(group);
      const uint64_t found = LookUpGroups(*cache, spec, groups);
      ASSERT_LE(found, may_hit);
      hits += found;
    }
    ASSERT_LE(budget->used_bytes(), c.budget_bytes);
  }
  const RamTierStats stats = cache->Stats();
  EXPECT_GT(hits, 0u);
  EXPECT_EQ(stats.admissions - stats.evictions, stats.rows / c.group_size);
  EXPECT_EQ(stats.skipped, 0u);
  // Everything held can be found.
  const size_t held = LookUpGroups(*cache, spec, Range(0, c.distinct_groups));
  EXPECT_EQ(held * c.group_size, stats.rows);
}

INSTANTIATE_TEST_SUITE_P(Shapes, GroupCacheRandomTest,
                         testing::Values(Case{264, 8, 512 << 10, 600, ~uint64_t{0}},
                                         Case{160, 8, 256 << 10, 3000, ~uint64_t{0}},
                                         Case{1, 1, 64 << 10, 9000, ~uint64_t{0}},
                                         Case{4096, 1, 1 << 20, 1000, ~uint64_t{0}},
                                         Case{33, 16, 128 << 10, 700, ~uint64_t{0}},
                                         Case{264, 8, 512 << 10, 600, 0x80000001C0000000},
                                         Case{24, 1, 64 << 10, 4000, 0xF0000007F0000000},
                                         Case{16, 64, 3 << 20, 5000, ~uint64_t{0}}));

}  // namespace
}  // namespace engram::storage
