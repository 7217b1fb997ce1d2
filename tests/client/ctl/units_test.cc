#include "client/ctl/units.h"

#include <gtest/gtest.h>

namespace engram::ctl {
namespace {

TEST(UnitsTest, Counts) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1000), "1,000");
  EXPECT_EQ(FormatCount(384'006'168), "384,006,168");
}

TEST(UnitsTest, BytesHaveThreeDigits) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(999), "999 B");
  EXPECT_EQ(FormatBytes(999.6), "1.00 kB");
  EXPECT_EQ(FormatBytes(1049), "1.05 kB");
  EXPECT_EQ(FormatBytes(9'996), "10.0 kB");
  EXPECT_EQ(FormatBytes(99'960), "100 kB");
  EXPECT_EQ(FormatBytes(999'600), "1.00 MB");
  EXPECT_EQ(FormatBytes(101'377'628'352), "101 GB");
  EXPECT_EQ(FormatBytes(5e15), "5.00 PB");
  EXPECT_EQ(FormatBytes(5e18), "5000 PB");
  EXPECT_EQ(FormatRate(2.87e9), "2.87 GB/s");
}

TEST(UnitsTest, Times) {
  EXPECT_EQ(FormatSeconds(0.417), "0.42 s");
  EXPECT_EQ(FormatSeconds(9.999), "10 s");
  EXPECT_EQ(FormatSeconds(59.6), "1 min 0 s");
  EXPECT_EQ(FormatWholeSeconds(4), "4 s");
  EXPECT_EQ(FormatWholeSeconds(200), "3 min 20 s");
  EXPECT_EQ(FormatWholeSeconds(5 * 3600 + 12 * 60 + 59), "5 h 12 min");
  EXPECT_EQ(FormatWholeSeconds((3 * 24 + 7) * 3600), "3 d 7 h");
}

TEST(UnitsTest, Latencies) {
  EXPECT_EQ(FormatLatency(0), "0 us");
  EXPECT_EQ(FormatLatency(85.4), "85 us");
  EXPECT_EQ(FormatLatency(1250), "1.25 ms");
  EXPECT_EQ(FormatLatency(999'700), "1.00 s");
  EXPECT_EQ(FormatLatency(2.1e6), "2.10 s");
}

TEST(UnitsTest, Shares) {
  EXPECT_EQ(FormatShare(0, 0), "-");
  EXPECT_EQ(FormatShare(973, 1000), "97.3 %");
  EXPECT_EQ(FormatShare(1, 1), "100.0 %");
}

}  // namespace
}  // namespace engram::ctl
