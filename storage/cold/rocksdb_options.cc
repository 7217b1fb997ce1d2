#include "storage/cold/rocksdb_options.h"

#include <cassert>
#include <memory>

#include "rocksdb/convenience.h"
#include "rocksdb/flush_block_policy.h"
#include "rocksdb/table.h"
#include "storage/cold/page_layout.h"

namespace engram::storage {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

}  // namespace

rocksdb::DBOptions DatabaseOptions(rocksdb::Env* env) {
  rocksdb::DBOptions options;
  options.env = env;
  options.create_if_missing = true;
  options.paranoid_checks = true;
  // Refuses a damaged log; the default would quietly go back to before the damage.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.skip_stats_update_on_db_open = true;
  // A truncated file fails the reads of its pages, not the start.
  options.skip_checking_sst_file_sizes_on_db_open = true;
  options.max_background_jobs = 2;
  options.max_total_wal_size = 16 * kMiB;
  options.bytes_per_sync = kMiB;
  options.compaction_readahead_size = 2 * kMiB;
  options.info_log_level = rocksdb::WARN_LEVEL;
  options.max_log_file_size = kMiB;
  options.keep_log_file_num = 4;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

rocksdb::ColumnFamilyOptions CatalogOptions() {
  rocksdb::ColumnFamilyOptions options;
  options.write_buffer_size = 4 * kMiB;
  options.compression = rocksdb::kNoCompression;
  return options;
}

rocksdb::ColumnFamilyOptions TableOptions() {
  rocksdb::BlockBasedTableOptions table;
  table.no_block_cache = true;  // the RAM tier is the cache
  table.cache_index_and_filter_blocks = false;
  table.filter_policy = nullptr;  // every page exists
  table.block_size = PageLayout::kBlockBytes;
  table.block_align = true;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  const rocksdb::Status status = rocksdb::FlushBlockPolicyFactory::CreateFromString(
      rocksdb::ConfigOptions(), "FlushBlockEveryKeyPolicyFactory",
      &table.flush_block_policy_factory);
  assert(status.ok());
  static_cast<void>(status);

  rocksdb::ColumnFamilyOptions options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.compression = rocksdb::kNoCompression;
  options.compression_per_level.clear();
  options.bottommost_compression = rocksdb::kNoCompression;
  options.write_buffer_size = 16 * kMiB;
  options.level_compaction_dynamic_level_bytes = true;
  return options;
}

rocksdb::EnvOptions SegmentFileOptions() {
  rocksdb::EnvOptions options;
  // Keeps dirty pages few, so that the sync at the end of a file is short.
  options.bytes_per_sync = kMiB;
  return options;
}

rocksdb::ReadOptions PageReadOptions() {
  rocksdb::ReadOptions options;
  options.verify_checksums = true;
  options.fill_cache = false;
  options.ignore_range_deletions = true;
  return options;
}

}  // namespace engram::storage
