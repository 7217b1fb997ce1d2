#include "storage/table_registry.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace engram::storage {

void TableRegistry::Add(std::shared_ptr<TableVersion> table, bool published) {
  const std::string name = table->identity().name;
  const uint64_t version = table->identity().version;
  absl::MutexLock lock(&mutex_);
  Versions& versions = names_[name];
  versions.tables[version] = std::move(table);
  if (published) {
    versions.published = version;
  }
}

void TableRegistry::Publish(absl::string_view name, uint64_t version) {
  absl::MutexLock lock(&mutex_);
  names_[name].published = version;
}

std::shared_ptr<TableVersion> TableRegistry::Remove(absl::string_view name, uint64_t version) {
  absl::MutexLock lock(&mutex_);
  const auto it = names_.find(name);
  if (it == names_.end()) {
    return nullptr;
  }
  auto node = it->second.tables.extract(version);
  if (it->second.published == version) {
    it->second.published = 0;
  }
  if (it->second.tables.empty()) {
    names_.erase(it);
  }
  return node.empty() ? nullptr : std::move(node.mapped());
}

absl::StatusOr<std::shared_ptr<TableVersion>> TableRegistry::Find(absl::string_view name,
                                                                  uint64_t version) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto it = names_.find(name);
  if (it == names_.end()) {
    return absl::NotFoundError(absl::StrCat("no table named \"", name, "\""));
  }
  const Versions& versions = it->second;
  const uint64_t wanted = version == 0 ? versions.published : version;
  if (const auto found = versions.tables.find(wanted); found != versions.tables.end()) {
    return found->second;
  }
  const std::string there =
      absl::StrJoin(versions.tables, ", ",
                    [](std::string* out, const auto& entry) { absl::StrAppend(out, entry.first); });
  if (version == 0) {
    return absl::NotFoundError(
        absl::StrCat("table \"", name, "\" has no published version (staged: ", there, ")"));
  }
  return absl::NotFoundError(absl::StrCat("table \"", name, "\" has no version ", version,
                                          " (it may have been dropped; there: ", there, ")"));
}

std::vector<TableRegistry::Listed> TableRegistry::List() const {
  std::vector<Listed> all;
  {
    absl::ReaderMutexLock lock(&mutex_);
    for (const auto& [name, versions] : names_) {
      for (const auto& [version, table] : versions.tables) {
        all.push_back({table, version == versions.published});
      }
    }
  }
  std::sort(all.begin(), all.end(), [](const Listed& a, const Listed& b) {
    const TableIdentity& x = a.table->identity();
    const TableIdentity& y = b.table->identity();
    return std::tie(x.name, x.version) < std::tie(y.name, y.version);
  });
  return all;
}

}  // namespace engram::storage
