#include "storage/fetch/table_version.h"

namespace engram::storage {

TableStats TableVersion::Stats() const {
  const RamTierStats ram = ram_->Stats();
  const uint64_t groups = groups_.load(std::memory_order_relaxed);
  const uint64_t ram_hits = ram_hits_.load(std::memory_order_relaxed);
  TableStats stats;
  stats.identity = info_.identity;
  stats.spec = info_.spec;
  stats.fetches = fetches_.load(std::memory_order_relaxed);
  stats.fetch_errors = fetch_errors_.load(std::memory_order_relaxed);
  stats.groups = groups;
  stats.ram = {.rows = ram.rows,
               .bytes = ram.bytes,
               .hits = ram_hits,
               .admissions = ram.admissions,
               .evictions = ram.evictions};
  stats.cold = {
      .rows = info_.spec.rows,
      .bytes = cold_->disk_bytes(),
      .hits = groups > ram_hits ? groups - ram_hits : 0,
      .reads = cold_reads_.load(std::memory_order_relaxed),
      .bytes_read = cold_bytes_read_.load(std::memory_order_relaxed),
      .bytes_used = cold_rows_used_.load(std::memory_order_relaxed) * info_.spec.row_bytes,
      .read_latency = cold_latency_.Stats()};
  stats.fetch_latency = fetch_latency_.Stats();
  return stats;
}

}  // namespace engram::storage
