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
  ToProto(stats.read_latency, message->mutable_read_latency());
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
  message->set_groups(stats.groups);
  ToProto(v1::TIER_RAM, stats.ram, message->add_tiers());
  ToProto(v1::TIER_WARM, stats.warm, message->add_tiers());
  ToProto(v1::TIER_COLD, stats.cold, message->add_tiers());
  ToProto(stats.fetch_latency, message->mutable_fetch_latency());
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
