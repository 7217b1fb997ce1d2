// Opens a Database with a file system and a segment size of the caller's choice.
#ifndef ENGRAM_STORAGE_COLD_DATABASE_IMPL_H_
#define ENGRAM_STORAGE_COLD_DATABASE_IMPL_H_

#include <cstdint>
#include <memory>
#include <string>

#include "rocksdb/file_system.h"
#include "storage/cold/database.h"

namespace engram::storage {

struct DatabaseConfig {
  // Does everything but random reads.
  std::shared_ptr<rocksdb::FileSystem> file_system = rocksdb::FileSystem::Default();
  uint64_t segment_bytes = uint64_t{64} << 20;  // of an SST file
  // Most files that the database keeps open; 0: as many as the process may have, nearly.
  int max_open_files = 0;
};

// As Database::Open.
absl::StatusOr<std::unique_ptr<Database>> OpenDatabase(const std::string& dir, ReadEngine* engine,
                                                       const DatabaseConfig& config);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_COLD_DATABASE_IMPL_H_
