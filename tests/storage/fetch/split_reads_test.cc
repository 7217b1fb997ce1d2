#include "storage/fetch/split_reads.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "storage/cold/page_layout.h"
#include "tests/storage/cold/cold_testing.h"

namespace engram::storage {
namespace {

using testing::ElementsAre;

TEST(SplitReadsTest, FewReadsAreOneRun) {
  EXPECT_THAT(SplitEvenly(0, 4), ElementsAre(0, 0));
  EXPECT_THAT(SplitEvenly(511, 4), ElementsAre(0, 511));
  EXPECT_THAT(SplitByPage({}, OpaqueSpec(1000, 264), 4), ElementsAre(0, 0));
}

TEST(SplitReadsTest, ManyAreARunForEachThread) {
  EXPECT_THAT(SplitEvenly(1000, 4), ElementsAre(0, 333, 666, 1000));
  EXPECT_THAT(SplitEvenly(10'000, 4), ElementsAre(0, 2500, 5000, 7500, 10'000));
}

TEST(SplitReadsTest, NoPageIsInTwoRuns) {
  const TableSpec spec = OpaqueSpec(20'000, 264);
  const PageLayout layout(spec);
  std::vector<RowRead> reads;
  for (RowId id = 0; id < 5000; ++id) reads.push_back({.row_id = id, .destination = id});
  const std::vector<size_t> bounds = SplitByPage(reads, spec, 4);
  ASSERT_EQ(bounds.size(), 5U);
  EXPECT_EQ(bounds.front(), 0U);
  EXPECT_EQ(bounds.back(), reads.size());
  for (size_t i = 1; i + 1 < bounds.size(); ++i) {
    EXPECT_NEAR(static_cast<double>(bounds[i]), static_cast<double>(1250 * i), 20);
    EXPECT_NE(layout.page_of(reads[bounds[i]].row_id), layout.page_of(reads[bounds[i] - 1].row_id));
  }
}

TEST(SplitReadsTest, OnePageIsOneRun) {
  const std::vector<RowRead> reads(5000, RowRead{.row_id = 7, .destination = 0});
  const std::vector<size_t> bounds = SplitByPage(reads, OpaqueSpec(1000, 264), 4);
  EXPECT_THAT(bounds, ElementsAre(0, 5000));
}

}  // namespace
}  // namespace engram::storage
