// Goal: people see each order's traffic with its errors, and "-" for what is not known.
#include "client/ctl/usage_output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace engram::ctl {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::IsEmpty;

std::string Print(const v1::TableUsage& usage) {
  std::ostringstream out;
  PrintUsage(usage, out);
  return out.str();
}

TEST(UsageOutputTest, PrintsNothingWithoutObservations) {
  v1::TableUsage usage;
  usage.add_orders()->set_order(2);
  EXPECT_THAT(Print(usage), IsEmpty());
}

TEST(UsageOutputTest, PrintsOneLineAnOrder) {
  v1::TableUsage usage;
  usage.set_window_seconds(90);
  usage.set_lost_uses(1234);
  v1::OrderUsage* const known = usage.add_orders();
  known->set_order(2);
  known->set_uses(5000);
  known->set_hit_ratio(0.875);
  known->set_distinct_groups(123'456);
  known->set_distinct_groups_error(2000);
  known->set_zipf_exponent(0.9);
  known->set_zipf_exponent_error(0.01);
  known->set_drift(0.05);
  known->set_drift_coverage(0.4);
  usage.add_orders()->set_order(3);
  EXPECT_THAT(Print(usage),
              AllOf(HasSubstr("traffic of the last 1 min 30 s, estimated:"),
                    ContainsRegex("2-grams +5,000 +87.5 % +123,456 \\+- 2,000 +0.900 \\+- 0.010 "
                                  "+5.0 % of 40 %\n"),
                    ContainsRegex("3-grams +0 +- +0 \\+- 0 +- +-\n"), HasSubstr(": 1,234\n")));
}

TEST(UsageOutputTest, JsonLeavesOutWhatIsNotKnown) {
  v1::TableUsage usage;
  usage.add_orders()->set_zipf_exponent(0.5);
  usage.add_orders();
  const auto json = UsageJson(usage);
  EXPECT_EQ(json["orders"][0]["zipf_exponent"], 0.5);
  EXPECT_FALSE(json["orders"][1].contains("zipf_exponent"));
  EXPECT_FALSE(json["orders"][1].contains("drift"));
}

}  // namespace
}  // namespace engram::ctl
