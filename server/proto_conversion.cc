#include "server/proto_conversion.h"

#include <optional>

namespace engram::server {
namespace {

void ToProto(const storage::LatencyStats& stats, v1::LatencyStats* message) {
  message->set_count(stats.count);
  message->set_p50_us(stats.p50_us);
  message->set_p90_us(stats.p90_us);
  message->set_p99_us(stats.p99_us);
  message->set_p999_us(stats.p999_us);
  message->set_max_us(stats.max_us);
}

void ToProto(v1::Tier tier, const storage::TierStats& stats, v1::TierStats* message) {
  message->set_tier(tier);
  message->set_rows(stats.rows);
  message->set_bytes(stats.bytes);
  message->set_hits(stats.hits);
  message->set_reads(stats.reads);
  message->set_bytes_read(stats.bytes_read);
  message->set_bytes_used(stats.bytes_used);
  message->set_admissions(stats.admissions);
  message->set_evictions(stats.evictions);
  message->set_bytes_written(stats.bytes_written);
  message->set_refusals(stats.refusals);
  message->set_skipped(stats.skipped);
  message->set_pinned(stats.pinned);
  ToProto(stats.read_latency, message->mutable_read_latency());
}

void ToProto(const storage::PrefetchStats& stats, v1::PrefetchStats* message) {
  message->set_accepted(stats.accepted);
  message->set_dropped(stats.dropped);
  message->set_used(stats.used);
  message->set_wasted(stats.wasted);
}

void ToProto(const storage::OrderUsage& usage, v1::OrderUsage* message) {
  message->set_order(usage.order);
  message->set_uses(usage.uses);
  message->set_hit_ratio(usage.hit_ratio);
  message->set_distinct_groups(usage.distinct);
  message->set_distinct_groups_error(usage.distinct_error);
  if (usage.exponent_error > 0) {
    message->set_zipf_exponent(usage.exponent);
    message->set_zipf_exponent_error(usage.exponent_error);
  }
  if (usage.drift_coverage > 0) {
    message->set_drift(usage.drift);
    message->set_drift_error(usage.drift_error);
    message->set_drift_coverage(usage.drift_coverage);
  }
}

void ToProto(const storage::UsageStats& usage, v1::TableUsage* message) {
  message->set_uses(usage.uses);
  message->set_window_seconds(usage.window_seconds);
  for (const storage::OrderUsage& order : usage.orders) ToProto(order, message->add_orders());
  for (const storage::HitRatioPoint& point : usage.hit_ratios) {
    v1::HitRatioPoint* const added = message->add_hit_ratios();
    added->set_groups(point.groups);
    added->set_bytes(point.groups * usage.bytes_per_group);
    added->set_hit_ratio(point.hit_ratio);
  }
  message->set_sampled_uses(usage.sampled_uses);
  message->set_sampling_rate(usage.sampling_rate);
  message->set_lost_uses(usage.lost_uses);
  message->set_bytes_per_group(usage.bytes_per_group);
}

void ToProto(const storage::PlacementStats& stats, v1::TablePlacement* message) {
  message->set_window_us(stats.window_us);
  if (stats.fixed_share > 0) message->set_fixed_share(stats.fixed_share);
  message->set_entitled_bytes(stats.entitled_bytes);
  message->set_disk_fetches(stats.disk_fetches);
  message->set_stall_us(stats.stall_us);
  message->set_fetches_per_second(stats.traffic.fetches_per_second);
  message->set_groups_per_fetch(stats.traffic.groups_per_fetch);
  message->set_hit_ratio(stats.traffic.hit_ratio);
  message->set_disk_share(stats.traffic.disk_share);
  message->set_late_us(stats.traffic.late_seconds * 1e6);
  message->set_reads_per_miss(stats.traffic.reads_per_miss);
  message->set_independent_groups(stats.independent_groups);
}

void ToProto(const storage::ShareOutcome& outcome, v1::ShareOutcome* message) {
  message->set_bytes(outcome.bytes);
  message->set_hit_ratio(outcome.hit_ratio);
  message->set_reads_per_fetch(outcome.reads_per_fetch);
  message->set_stall_us(outcome.stall_us);
}

void ToProto(const storage::TableShare& share, v1::TableShare* message) {
  server::ToProto(share.identity, message->mutable_identity());
  message->set_basis(static_cast<v1::ShareBasis>(share.basis));
  message->set_window_us(share.window_us);
  message->set_sampled_uses(share.sampled_uses);
  message->set_fetches_per_second(share.traffic.fetches_per_second);
  message->set_measured_hit_ratio(share.traffic.hit_ratio);
  ToProto(share.now, message->mutable_now());
  ToProto(share.planned, message->mutable_planned());
}

}  // namespace

void ToProto(const storage::TableIdentity& identity, v1::TableIdentity* message) {
  message->set_name(identity.name);
  message->set_version(identity.version);
  message->set_digest(identity.digest.bytes.data(), identity.digest.bytes.size());
}

void ToProto(const storage::TableSpec& spec, v1::TableSpec* message) {
  message->set_rows(spec.rows);
  message->set_row_bytes(spec.row_bytes);
  message->set_value_format(static_cast<v1::ValueFormat>(spec.value_format));
  message->set_values_per_row(spec.values_per_row);
  message->set_scale_block(spec.scale_block);
  message->set_scalar_scale(spec.scalar_scale);
  message->set_group_size(spec.group_size);
  message->mutable_orders()->Assign(spec.orders.begin(), spec.orders.end());
}

void ToProto(const storage::TableInfo& info, v1::TableInfo* message) {
  ToProto(info.identity, message->mutable_identity());
  ToProto(info.spec, message->mutable_spec());
  message->set_published(info.published);
  message->set_imported_unix_seconds(info.imported_unix_seconds);
  message->set_source(info.source);
  message->set_disk_bytes(info.disk_bytes);
}

void ToProto(const storage::TableStats& stats, v1::TableStats* message) {
  ToProto(stats.identity, message->mutable_identity());
  ToProto(stats.spec, message->mutable_spec());
  message->set_published(stats.published);
  message->set_fetches(stats.fetches);
  message->set_fetch_errors(stats.fetch_errors);
  message->set_fetches_on_time(stats.fetches_on_time);
  message->set_fetches_late(stats.fetches_late);
  message->set_wasted_reads(stats.wasted_reads);
  message->set_partial_answers(stats.partial_answers);
  message->set_absent_groups(stats.absent_groups);
  ToProto(stats.prefetch, message->mutable_prefetch());
  message->set_groups(stats.groups);
  ToProto(v1::TIER_RAM, stats.ram, message->add_tiers());
  ToProto(v1::TIER_WARM, stats.warm, message->add_tiers());
  ToProto(v1::TIER_COLD, stats.cold, message->add_tiers());
  ToProto(stats.fetch_latency, message->mutable_fetch_latency());
  message->set_loading_groups_left(stats.loading_groups_left);
  if (stats.usage.has_value()) ToProto(*stats.usage, message->mutable_usage());
  ToProto(stats.placement, message->mutable_placement());
}

void ToProto(const storage::ImportProgress& progress, v1::ImportProgress* message) {
  message->set_table(progress.table);
  message->set_rows_done(progress.rows_done);
  message->set_rows_total(progress.rows_total);
  message->set_bytes_done(progress.bytes_done);
  message->set_bytes_total(progress.bytes_total);
  message->set_bytes_per_second(progress.bytes_per_second);
  message->set_seconds_left(progress.seconds_left);
  if (progress.imported.has_value()) {
    ToProto(*progress.imported, message->mutable_imported());
  }
}

void ToProto(const storage::RebalancePlan& plan, v1::RebalancePlan* message) {
  for (const storage::TableShare& share : plan.tables) ToProto(share, message->add_tables());
  message->set_budget_bytes(plan.budget_bytes);
  message->set_bytes_to_move(plan.bytes_to_move);
  message->set_worthwhile(plan.worthwhile);
}

storage::ImportOptions FromProto(const v1::ImportRequest& request) {
  return {.path = request.path(),
          .name = request.name(),
          .layer = request.has_layer() ? std::optional(request.layer()) : std::nullopt,
          .tensor = request.tensor(),
          .scale_tensor = request.scale_tensor(),
          .group_size = request.group_size(),
          .orders = {request.orders().begin(), request.orders().end()},
          .stage_only = request.stage_only()};
}

}  // namespace engram::server
