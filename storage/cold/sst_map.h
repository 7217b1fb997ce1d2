// Which SST file of a table holds which page, and where.
#ifndef ENGRAM_STORAGE_COLD_SST_MAP_H_
#define ENGRAM_STORAGE_COLD_SST_MAP_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "rocksdb/db.h"
#include "storage/cold/direct_file_system.h"
#include "storage/io/readable_file.h"

namespace engram::storage {

// Has RocksDB read a page, whatever file it is in. TimedOut once the deadline passed.
rocksdb::Status ReadByRocksDb(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* family, uint64_t page,
                              absl::Time deadline, rocksdb::PinnableSlice* value);

// An SST file for reading.
struct OpenSst {
  std::shared_ptr<const ReadableFile> file;
  bool kept = false;  // open whether it is read or not
};

// One SST file. Thread-safe.
class SstFile {
 public:
  // db, family, file_system: must outlive it
  SstFile(uint64_t first, uint64_t last, std::string file_path, rocksdb::DB* db,
          rocksdb::ColumnFamilyHandle* family, DirectFileSystem* file_system)
      : first_page(first),
        last_page(last),
        path(std::move(file_path)),
        db_(db),
        family_(family),
        file_system_(file_system) {}
  ~SstFile();

  // The file, which is opened when it is first needed and then stays open, as long as the file
  // system lets it; null if it cannot be opened, or is not the file that the database knows by this
  // name. RocksDB then has to read, or to report it.
  OpenSst Open() ABSL_LOCKS_EXCLUDED(mutex_);

  const uint64_t first_page;
  const uint64_t last_page;
  const std::string path;

 private:
  // Whether it is this file that RocksDB compared with its manifest. Nothing in a page tells which
  // table it belongs to: a file of another table in this one's place would look right.
  bool IsKnown(FileId id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  rocksdb::DB* const db_;
  rocksdb::ColumnFamilyHandle* const family_;
  DirectFileSystem* const file_system_;
  absl::Mutex mutex_;
  std::optional<FileId> known_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const ReadableFile> file_ ABSL_GUARDED_BY(mutex_);
};

// The files of a table's last level as they were when the map was made. They hold a table's pages
// for good, as nothing is written to it after its import. Immutable but for the files' being
// opened; thread-safe.
class SstMap {
 public:
  // db, family, file_system: must outlive the map
  // last: the map before some files were replaced, whose knowledge of the others is kept; or null
  SstMap(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* family, DirectFileSystem* file_system,
         const SstMap* last = nullptr);

  // The file that holds `page`, or null.
  SstFile* Find(uint64_t page) const;

  // The number of the first page that no file holds.
  uint64_t leading_pages() const;

  const std::vector<std::shared_ptr<SstFile>>& files() const { return files_; }

  // Bytes of all files, and how many of them are not in the last level.
  uint64_t disk_bytes() const { return disk_bytes_; }
  size_t files_above() const { return files_above_; }

 private:
  std::vector<std::shared_ptr<SstFile>> files_;  // by first page
  uint64_t disk_bytes_ = 0;
  size_t files_above_ = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_COLD_SST_MAP_H_
