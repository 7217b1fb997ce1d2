// Goal: what is not known of a table's traffic is absent from the message, and all else is there.
#include "server/proto_conversion.h"

#include <gtest/gtest.h>

namespace engram::server {
namespace {

TEST(ProtoConversionTest, UsageOfATable) {
  storage::TableStats stats;
  v1::TableStats whole;
  ToProto(stats, &whole);
  EXPECT_FALSE(whole.has_usage());

  stats.usage = storage::UsageStats{.uses = 7, .sampling_rate = 0.25, .bytes_per_group = 2000};
  stats.usage->orders = {
      {.order = 2, .uses = 5, .exponent = 0.9, .exponent_error = 0.1, .drift_coverage = 0},
      {.order = 3, .drift = 0.2, .drift_coverage = 0.5}};
  stats.usage->hit_ratios = {{.groups = 100, .hit_ratio = 0.5}};
  v1::TableStats message;
  ToProto(stats, &message);
  const v1::TableUsage& usage = message.usage();
  EXPECT_EQ(usage.uses(), 7u);
  EXPECT_EQ(usage.sampling_rate(), 0.25);
  ASSERT_EQ(usage.orders_size(), 2);
  EXPECT_EQ(usage.orders(0).order(), 2u);
  EXPECT_EQ(usage.orders(0).uses(), 5);
  EXPECT_EQ(usage.orders(0).zipf_exponent(), 0.9);
  EXPECT_FALSE(usage.orders(0).has_drift());
  EXPECT_FALSE(usage.orders(1).has_zipf_exponent());
  EXPECT_EQ(usage.orders(1).drift(), 0.2);
  ASSERT_EQ(usage.hit_ratios_size(), 1);
  EXPECT_EQ(usage.hit_ratios(0).bytes(), 200'000);
}

}  // namespace
}  // namespace engram::server
