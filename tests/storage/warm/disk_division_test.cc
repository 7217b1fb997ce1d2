// Goal: tiers get what their tables are to have, the budget is kept, and little changes for
// nothing.
#include "storage/warm/disk_division.h"

#include <gmock/gmock.h>

#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

namespace engram::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(DiskDivisionTest, WithoutTiersTheBudgetIsDividedByTheTablesSizes) {
  EXPECT_THAT(DivideDisk(1000, {}), IsEmpty());
  EXPECT_THAT(DivideDisk(1000, {{.table_bytes = 7}}), ElementsAre(1000u));
  EXPECT_THAT(DivideDisk(1000, {{.table_bytes = 30}, {.table_bytes = 10}}),
              ElementsAre(750u, 250u));
}

TEST(DiskDivisionTest, WhoHasTooMuchOrTooLittleGetsItsPart) {
  EXPECT_THAT(DivideDisk(1000, {{.table_bytes = 10, .tier_bytes = 1000}, {.table_bytes = 10}}),
              ElementsAre(500u, 500u));
  EXPECT_THAT(DivideDisk(1000, {{.table_bytes = 10, .tier_bytes = 500}}), ElementsAre(1000u));
}

TEST(DiskDivisionTest, WhatIsNearlyRightStays) {
  // A new version is somewhat larger than the one before, and takes its place.
  EXPECT_THAT(DivideDisk(1000, {{.table_bytes = 100, .tier_bytes = 500}, {.table_bytes = 104}}),
              ElementsAre(500u, 500u));
  EXPECT_THAT(DivideDisk(1000, {{.table_bytes = 100, .tier_bytes = 480}, {.table_bytes = 100}}),
              ElementsAre(480u, 500u));
}

TEST(DiskDivisionTest, UnlessThatLeavesTooLittleForOthers) {
  EXPECT_THAT(DivideDisk(1000, {{.table_bytes = 98, .tier_bytes = 1000}, {.table_bytes = 2}}),
              ElementsAre(980u, 20u));
}

// From any state, by any steps: tiers go first, then come some of those that are lacking.
TEST(DiskDivisionTest, TheBudgetIsKeptAndNothingChangesTwice) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    const uint64_t budget = 1 + random() % 1'000'000;
    std::vector<DiskShare> tables(1 + random() % 8);
    uint64_t left = budget;
    for (DiskShare& table : tables) {
      table.table_bytes = 1 + random() % 1000;
      if (random() % 2 == 0) table.tier_bytes = random() % (left + 1);
      left -= table.tier_bytes;
    }
    const std::vector<uint64_t> bytes = DivideDisk(budget, tables);
    ASSERT_LE(std::accumulate(bytes.begin(), bytes.end(), uint64_t{0}), budget);
    for (size_t i = 0; i < tables.size(); ++i) {
      const bool comes = tables[i].tier_bytes != bytes[i] && random() % 2 == 0;
      if (tables[i].tier_bytes != bytes[i]) tables[i].tier_bytes = comes ? bytes[i] : 0;
    }
    const std::vector<uint64_t> again = DivideDisk(budget, tables);
    ASSERT_LE(std::accumulate(again.begin(), again.end(), uint64_t{0}), budget);
    for (size_t i = 0; i < tables.size(); ++i) {
      if (tables[i].tier_bytes <= 64) continue;  // of less, a sixteenth is no whole byte
      ASSERT_EQ(again[i], tables[i].tier_bytes) << round;
    }
  }
}

}  // namespace
}  // namespace engram::storage
