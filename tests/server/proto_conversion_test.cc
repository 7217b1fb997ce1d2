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

TEST(ProtoConversionTest, PlacementOfATable) {
  storage::TableStats stats;
  stats.placement = {
      .window_us = 250,
      .entitled_bytes = 1000,
      .disk_fetches = 3,
      .stall_us = 700,
      .traffic = {.fetches_per_second = 50, .late_seconds = 2e-3, .reads_per_miss = 8},
      .independent_groups = 1.5};
  v1::TableStats message;
  ToProto(stats, &message);
  EXPECT_EQ(message.placement().window_us(), 250);
  EXPECT_FALSE(message.placement().has_fixed_share());
  EXPECT_EQ(message.placement().entitled_bytes(), 1000);
  EXPECT_EQ(message.placement().stall_us(), 700);
  EXPECT_EQ(message.placement().late_us(), 2000);
  EXPECT_EQ(message.placement().independent_groups(), 1.5);
  stats.placement.fixed_share = 0.25;
  ToProto(stats, &message);
  EXPECT_EQ(message.placement().fixed_share(), 0.25);
}

TEST(ProtoConversionTest, PlanOfARebalancing) {
  storage::TableShare share;
  share.identity.name = "t";
  share.basis = storage::ShareBasis::kFixed;
  share.traffic.fetches_per_second = 50;
  share.now = {.bytes = 10, .hit_ratio = 0.5, .reads_per_fetch = 4, .stall_us = 9};
  share.planned = {.bytes = 20, .hit_ratio = 0.75};
  v1::RebalancePlan message;
  ToProto(storage::RebalancePlan{.tables = {share}, .budget_bytes = 100, .bytes_to_move = 7},
          &message);
  EXPECT_EQ(message.budget_bytes(), 100);
  EXPECT_EQ(message.bytes_to_move(), 7);
  ASSERT_EQ(message.tables_size(), 1);
  EXPECT_EQ(message.tables(0).identity().name(), "t");
  EXPECT_EQ(message.tables(0).basis(), v1::SHARE_BASIS_FIXED);
  EXPECT_EQ(message.tables(0).now().stall_us(), 9);
  EXPECT_EQ(message.tables(0).planned().hit_ratio(), 0.75);
}

}  // namespace
}  // namespace engram::server
