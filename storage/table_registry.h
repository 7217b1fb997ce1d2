// The tables that are open, by name and version.
#ifndef ENGRAM_STORAGE_TABLE_REGISTRY_H_
#define ENGRAM_STORAGE_TABLE_REGISTRY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "storage/fetch/table_version.h"

namespace engram::storage {

// A mirror in memory of what the catalog holds. Thread-safe.
class TableRegistry {
 public:
  struct Listed {
    std::shared_ptr<TableVersion> table;
    bool published = false;
  };

  // Adds a version that is not there yet.
  void Add(std::shared_ptr<TableVersion> table, bool published);

  // Makes a version that is there the published one.
  void Publish(absl::string_view name, uint64_t version);

  // Takes a version out and returns it; null if it is not there.
  std::shared_ptr<TableVersion> Remove(absl::string_view name, uint64_t version);

  // The published version, or `version` if it is not 0.
  //   NOT_FOUND  says which versions there are
  absl::StatusOr<std::shared_ptr<TableVersion>> Find(absl::string_view name,
                                                     uint64_t version) const;

  // Every version, by name and version.
  std::vector<Listed> List() const;

 private:
  struct Versions {
    uint64_t published = 0;
    std::map<uint64_t, std::shared_ptr<TableVersion>> tables;
  };

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Versions> names_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_TABLE_REGISTRY_H_
