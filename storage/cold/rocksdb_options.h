// The settings of RocksDB, and why.
#ifndef ENGRAM_STORAGE_COLD_ROCKSDB_OPTIONS_H_
#define ENGRAM_STORAGE_COLD_ROCKSDB_OPTIONS_H_

#include "rocksdb/env.h"
#include "rocksdb/options.h"

namespace engram::storage {

// Of the database; `env` is not owned.
rocksdb::DBOptions DatabaseOptions(rocksdb::Env* env);

// Of the catalog: few small records, rarely written.
rocksdb::ColumnFamilyOptions CatalogOptions();

// Of a table: one page a block, every block aligned (page_layout.h), no cache, no filter.
rocksdb::ColumnFamilyOptions TableOptions();

// Of the files that segments are written to.
rocksdb::EnvOptions SegmentFileOptions();

// Of reads of pages.
rocksdb::ReadOptions PageReadOptions();

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_COLD_ROCKSDB_OPTIONS_H_
