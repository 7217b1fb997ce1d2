#include "storage/fetch/table_version.h"

namespace engram::storage {

TableStats TableVersion::Stats() const {
  const RamTierStats ram = ram_->Stats();
  const uint64_t groups = groups_.load(std::memory_order_relaxed);
  const uint64_t ram_hits = ram_hits_.load(std::memory_order_relaxed);
  const uint64_t warm_hits = warm_hits_.load(std::memory_order_relaxed);
  const uint64_t not_cold = ram_hits + warm_hits;
  TableStats stats;
  stats.identity = info_.identity;
  stats.spec = info_.spec;
  stats.fetches = fetches_.load(std::memory_order_relaxed);
  stats.fetch_errors = fetch_errors_.load(std::memory_order_relaxed);
  stats.fetches_on_time = fetches_on_time_.load(std::memory_order_relaxed);
  stats.fetches_late = fetches_late_.load(std::memory_order_relaxed);
  stats.wasted_reads = wasted_reads_.load(std::memory_order_relaxed);
  stats.partial_answers = partial_answers_.load(std::memory_order_relaxed);
  stats.absent_groups = absent_groups_.load(std::memory_order_relaxed);
  stats.prefetch = prefetched_.Stats();
  stats.groups = groups;
  stats.ram = {.rows = ram.rows,
               .bytes = ram.bytes,
               .hits = ram_hits,
               .admissions = ram.admissions,
               .evictions = ram.evictions,
               .refusals = ram.refusals,
               .skipped = ram.skipped,
               .pinned = ram.pinned};
  stats.cold = {
      .rows = info_.spec.rows,
      .bytes = cold_->disk_bytes(),
      .hits = groups > not_cold ? groups - not_cold : 0,
      .reads = cold_reads_.load(std::memory_order_relaxed),
      .bytes_read = cold_bytes_read_.load(std::memory_order_relaxed),
      .bytes_used = cold_rows_used_.load(std::memory_order_relaxed) * info_.spec.row_bytes,
      .read_latency = cold_latency_.Stats()};
  stats.warm = WarmStats();
  stats.loading_groups_left = loading_groups_left();
  stats.fetch_latency = fetch_latency_.Stats();
  if (ram_->usage() != nullptr) stats.usage = ram_->usage()->Report();
  stats.placement = PlacementOf();
  return stats;
}

TrafficCounters TableVersion::Counters() const {
  const auto read = [](const std::atomic<uint64_t>& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  return {.fetches = read(fetches_),
          .disk_fetches = read(disk_fetches_),
          .groups = read(groups_),
          .ram_hits = read(ram_hits_),
          .reads = read(warm_reads_) + read(cold_reads_),
          .stall_seconds = static_cast<double>(read(stall_ns_)) / 1e9};
}

void TableVersion::MeterTraffic(absl::Time now) {
  absl::MutexLock lock(&meter_mutex_);
  meter_.Update(Counters(), now);
}

TableTraffic TableVersion::Traffic() const {
  absl::MutexLock lock(&meter_mutex_);
  return meter_.Traffic();
}

PlacementStats TableVersion::PlacementOf() const {
  const TrafficCounters counters = Counters();
  const TableTraffic traffic = Traffic();
  return {.window_us = absl::ToDoubleMicroseconds(window_),
          .disk_fetches = counters.disk_fetches,
          .stall_us = counters.stall_seconds * 1e6,
          .traffic = traffic,
          .independent_groups = StallModel(traffic).independent_groups()};
}

TierStats TableVersion::WarmStats() const {
  const WarmTierStats warm = current_warm_->Stats();
  const uint64_t used = warm_groups_used_.load(std::memory_order_relaxed);
  return {.rows = warm.groups * info_.spec.group_size,
          .bytes = warm.disk_bytes,
          .hits = warm_hits_.load(std::memory_order_relaxed),
          .reads = warm_reads_.load(std::memory_order_relaxed),
          .bytes_read = warm_bytes_read_.load(std::memory_order_relaxed),
          .bytes_used = used * info_.spec.group_bytes(),
          .bytes_written = warm.bytes_written,
          .admissions = warm.admissions,
          .evictions = warm.evictions,
          .refusals = warm.refusals,
          .skipped = warm.skipped,
          .read_latency = warm_latency_.Stats()};
}

}  // namespace engram::storage
