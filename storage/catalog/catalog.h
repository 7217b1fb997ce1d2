// Which tables there are: names, versions, specs, and what is published. Durable, and changed only
// by atomic writes, so that it is whole after a crash at any instant.
#ifndef ENGRAM_STORAGE_CATALOG_CATALOG_H_
#define ENGRAM_STORAGE_CATALOG_CATALOG_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "storage/cold/database.h"
#include "storage/table_spec.h"

namespace engram::storage {

struct CatalogEntry {
  uint64_t uid = 0;  // names the table's files; never used twice
  TableInfo info;    // disk_bytes is not kept
};

// Thread-safe. After an error of a write nothing has changed.
class Catalog {
 public:
  // Reads the catalog. `database` must outlive it.
  //   DATA_LOSS  a record is damaged
  static absl::StatusOr<std::unique_ptr<Catalog>> Load(Database* database);

  // Every version, by name and version.
  std::vector<CatalogEntry> List() const;

  // A number for a new table's files.
  //   RESOURCE_EXHAUSTED, DATA_LOSS
  absl::StatusOr<uint64_t> ReserveUid();

  // Records complete tables, no two of one name, each as the next version of its name, and
  // publishes those with info.published; all of them in one write. Returns them with their
  // versions.
  //   RESOURCE_EXHAUSTED, DATA_LOSS
  absl::StatusOr<std::vector<CatalogEntry>> Add(std::vector<CatalogEntry> tables);

  // Makes a version the published one.
  //   NOT_FOUND, RESOURCE_EXHAUSTED, DATA_LOSS
  absl::StatusOr<CatalogEntry> Publish(absl::string_view name, uint64_t version);

  // Removes a version, or (0) all of a table. Version numbers are not used again.
  //   NOT_FOUND, RESOURCE_EXHAUSTED, DATA_LOSS
  //   FAILED_PRECONDITION  the version is published while others of its table exist
  absl::StatusOr<std::vector<CatalogEntry>> Remove(absl::string_view name, uint64_t version);

 private:
  struct Versions {
    uint64_t last = 0;       // highest version ever given
    uint64_t published = 0;  // 0: none
    std::map<uint64_t, CatalogEntry> entries;
  };

  explicit Catalog(Database* database) : database_(database) {}
  absl::Status Parse(const std::vector<std::pair<std::string, std::string>>& records);
  absl::StatusOr<Versions*> Find(absl::string_view name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Writes what `next` says of each name, then makes it current.
  absl::Status Commit(std::map<std::string, Versions> next) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Database* const database_;
  mutable absl::Mutex mutex_;
  uint64_t next_uid_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<std::string, Versions> tables_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_CATALOG_CATALOG_H_
