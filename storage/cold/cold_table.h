// ColdTable on a column family of RocksDB.
#ifndef ENGRAM_STORAGE_COLD_COLD_TABLE_H_
#define ENGRAM_STORAGE_COLD_COLD_TABLE_H_

#include <memory>

#include "storage/cold/cold_tier.h"
#include "storage/cold/instance.h"
#include "storage/cold/sst_map.h"

namespace engram::storage {

// The table with the pages in `family`, whose files `files` lists.
std::unique_ptr<ColdTable> NewColdTable(std::shared_ptr<Instance> instance,
                                        std::shared_ptr<ColumnFamily> family,
                                        std::shared_ptr<SstMap> files, const TableSpec& spec);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_COLD_COLD_TABLE_H_
