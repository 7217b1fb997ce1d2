#include "client/ctl/json_output.h"

#include "absl/strings/escaping.h"
#include "client/ctl/table_names.h"
#include "client/ctl/usage_output.h"

namespace engram::ctl {
Json ToJson(const v1::TableIdentity& identity) {
  return {{"name", identity.name()},
          {"version", identity.version()},
          {"digest", absl::BytesToHexString(identity.digest())}};
}

namespace {

Json SpecJson(const v1::TableSpec& spec) {
  return {{"rows", spec.rows()},
          {"row_bytes", spec.row_bytes()},
          {"value_format", FormatName(spec.value_format())},
          {"values_per_row", spec.values_per_row()},
          {"scale_block", spec.scale_block()},
          {"scalar_scale", spec.scalar_scale()},
          {"group_size", spec.group_size()},
          {"orders", spec.orders()}};
}

Json LatencyJson(const v1::LatencyStats& latency) {
  return {{"count", latency.count()},     {"p50_us", latency.p50_us()},
          {"p90_us", latency.p90_us()},   {"p99_us", latency.p99_us()},
          {"p999_us", latency.p999_us()}, {"max_us", latency.max_us()}};
}

Json TierJson(const v1::TierStats& tier) {
  return {{"tier", TierName(tier.tier())},
          {"rows", tier.rows()},
          {"bytes", tier.bytes()},
          {"hits", tier.hits()},
          {"reads", tier.reads()},
          {"bytes_read", tier.bytes_read()},
          {"bytes_used", tier.bytes_used()},
          {"admissions", tier.admissions()},
          {"evictions", tier.evictions()},
          {"refusals", tier.refusals()},
          {"skipped", tier.skipped()},
          {"pinned", tier.pinned()},
          {"bytes_written", tier.bytes_written()},
          {"read_latency", LatencyJson(tier.read_latency())}};
}

Json PlacementJson(const v1::TablePlacement& placement) {
  return {{"window_us", placement.window_us()},
          {"fixed_share", placement.has_fixed_share() ? Json(placement.fixed_share()) : Json()},
          {"entitled_bytes", placement.entitled_bytes()},
          {"disk_fetches", placement.disk_fetches()},
          {"stall_us", placement.stall_us()},
          {"fetches_per_second", placement.fetches_per_second()},
          {"groups_per_fetch", placement.groups_per_fetch()},
          {"hit_ratio", placement.hit_ratio()},
          {"disk_share", placement.disk_share()},
          {"late_us", placement.late_us()},
          {"reads_per_miss", placement.reads_per_miss()},
          {"independent_groups", placement.independent_groups()}};
}

Json PrefetchJson(const v1::PrefetchStats& prefetch) {
  return {{"accepted", prefetch.accepted()},
          {"dropped", prefetch.dropped()},
          {"used", prefetch.used()},
          {"wasted", prefetch.wasted()}};
}

Json TableJson(const v1::TableStats& table) {
  Json json = ToJson(table.identity());
  json["published"] = table.published();
  json["spec"] = SpecJson(table.spec());
  json["fetches"] = table.fetches();
  json["fetch_errors"] = table.fetch_errors();
  json["fetches_on_time"] = table.fetches_on_time();
  json["fetches_late"] = table.fetches_late();
  json["wasted_reads"] = table.wasted_reads();
  json["partial_answers"] = table.partial_answers();
  json["absent_groups"] = table.absent_groups();
  json["prefetch"] = PrefetchJson(table.prefetch());
  json["groups"] = table.groups();
  json["loading_groups_left"] = table.loading_groups_left();
  json["fetch_latency"] = LatencyJson(table.fetch_latency());
  json["tiers"] = Json::array();
  for (const v1::TierStats& tier : table.tiers()) json["tiers"].push_back(TierJson(tier));
  if (table.has_placement()) json["placement"] = PlacementJson(table.placement());
  if (table.has_usage()) json["usage"] = UsageJson(table.usage());
  return json;
}

Json ServerJson(const v1::ServerStats& server) {
  return {{"version", server.version()},
          {"uptime_seconds", server.uptime_seconds()},
          {"read_engine", server.read_engine()},
          {"read_engine_reason", server.read_engine_reason()},
          {"ram_budget_bytes", server.ram_budget_bytes()},
          {"ram_used_bytes", server.ram_used_bytes()},
          {"warm_budget_bytes", server.warm_budget_bytes()},
          {"warm_used_bytes", server.warm_used_bytes()},
          {"inflight_rows", server.inflight_rows()},
          {"inflight_bytes", server.inflight_bytes()},
          {"fetches_rejected", server.fetches_rejected()},
          {"shared_memory_clients", server.shared_memory_clients()},
          {"shared_memory_bytes", server.shared_memory_bytes()}};
}

}  // namespace

Json ToJson(const v1::TableInfo& info) {
  Json json = ToJson(info.identity());
  json["published"] = info.published();
  json["spec"] = SpecJson(info.spec());
  json["disk_bytes"] = info.disk_bytes();
  json["imported_unix_seconds"] = info.imported_unix_seconds();
  json["source"] = info.source();
  return json;
}

Json ToJson(const v1::GetStatsResponse& stats) {
  Json json = {{"server", ServerJson(stats.server())}, {"tables", Json::array()}};
  for (const v1::TableStats& table : stats.tables()) json["tables"].push_back(TableJson(table));
  return json;
}

void PrintJson(const Json& document, std::ostream& out) { out << document.dump(2) << "\n"; }

}  // namespace engram::ctl
