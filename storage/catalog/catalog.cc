#include "storage/catalog/catalog.h"

#include <cassert>
#include <set>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "storage/catalog/catalog_record.h"

namespace engram::storage {
namespace {

constexpr char kTablePrefix[] = "table/";
constexpr char kNextUidKey[] = "next_uid";

absl::Status NoVersion(absl::string_view name, uint64_t version) {
  return absl::NotFoundError(absl::StrCat("table \"", name, "\" has no version ", version));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Catalog>> Catalog::Load(Database* database) {
  auto records = database->ReadCatalog("");
  if (!records.ok()) {
    return records.status();
  }
  auto catalog = absl::WrapUnique(new Catalog(database));
  if (absl::Status status = catalog->Parse(*records); !status.ok()) {
    return status;
  }
  return catalog;
}

absl::Status Catalog::Parse(const std::vector<std::pair<std::string, std::string>>& records) {
  absl::MutexLock lock(&mutex_);
  std::set<uint64_t> uids;
  for (const auto& [key, value] : records) {
    absl::string_view name = key;
    if (key == kNextUidKey) {
      if (!absl::SimpleAtoi(value, &next_uid_)) {
        return absl::DataLossError(absl::StrCat("catalog record next_uid is damaged: ", value));
      }
    } else if (absl::ConsumePrefix(&name, kTablePrefix)) {
      auto record = ParseCatalogRecord(std::string(name), value);
      if (!record.ok()) {
        return record.status();
      }
      Versions& versions = tables_[std::string(name)];
      versions.last = record->last_version;
      versions.published = record->published_version;
      for (CatalogEntry& entry : record->entries) {
        if (!uids.insert(entry.uid).second) {
          return absl::DataLossError(absl::StrCat("the catalog's record of table \"", name,
                                                  "\" is damaged: uid ", entry.uid,
                                                  " is another table's, too"));
        }
        versions.entries[entry.info.identity.version] = std::move(entry);
      }
    } else {
      return absl::DataLossError(absl::StrCat("unknown catalog record \"", key, "\""));
    }
  }
  if (!uids.empty() && *uids.rbegin() >= next_uid_) {
    return absl::DataLossError(absl::StrCat("catalog record next_uid is damaged: ", next_uid_,
                                            ", and uid ", *uids.rbegin(), " is in use"));
  }
  return absl::OkStatus();
}

std::vector<CatalogEntry> Catalog::List() const {
  absl::MutexLock lock(&mutex_);
  std::vector<CatalogEntry> all;
  for (const auto& [name, versions] : tables_) {
    for (const auto& [version, entry] : versions.entries) {
      all.push_back(entry);
    }
  }
  return all;
}

absl::StatusOr<uint64_t> Catalog::ReserveUid() {
  absl::MutexLock lock(&mutex_);
  const CatalogWrite write{kNextUidKey, absl::StrCat(next_uid_ + 1)};
  if (absl::Status status = database_->WriteCatalog({&write, 1}); !status.ok()) {
    return status;
  }
  return next_uid_++;
}

absl::StatusOr<std::vector<CatalogEntry>> Catalog::Add(std::vector<CatalogEntry> tables) {
  absl::MutexLock lock(&mutex_);
  std::map<std::string, Versions> next;
  for (CatalogEntry& table : tables) {
    TableIdentity& identity = table.info.identity;
    const auto it = tables_.find(identity.name);
    Versions& versions = next[identity.name];
    assert(versions.entries.empty());
    if (it != tables_.end()) {
      versions = it->second;
    }
    identity.version = ++versions.last;
    if (table.info.published) {
      versions.published = identity.version;
    }
    versions.entries[identity.version] = table;
  }
  if (absl::Status status = Commit(std::move(next)); !status.ok()) {
    return status;
  }
  return tables;
}

absl::StatusOr<CatalogEntry> Catalog::Publish(absl::string_view name, uint64_t version) {
  absl::MutexLock lock(&mutex_);
  auto versions = Find(name);
  if (!versions.ok()) {
    return versions.status();
  }
  if (!(*versions)->entries.contains(version)) {
    return NoVersion(name, version);
  }
  Versions next = **versions;
  next.published = version;
  if (absl::Status status = Commit({{std::string(name), std::move(next)}}); !status.ok()) {
    return status;
  }
  return tables_[std::string(name)].entries[version];
}

absl::StatusOr<std::vector<CatalogEntry>> Catalog::Remove(absl::string_view name,
                                                          uint64_t version) {
  absl::MutexLock lock(&mutex_);
  auto versions = Find(name);
  if (!versions.ok()) {
    return versions.status();
  }
  Versions next = **versions;
  std::vector<CatalogEntry> removed;
  if (version == 0) {
    for (auto& [number, entry] : next.entries) {
      removed.push_back(std::move(entry));
    }
    next.entries.clear();
  } else {
    const auto entry = next.entries.find(version);
    if (entry == next.entries.end()) {
      return NoVersion(name, version);
    }
    if (version == next.published && next.entries.size() > 1) {
      return absl::FailedPreconditionError(
          absl::StrCat("version ", version, " of table \"", name,
                       "\" is published: publish another version first, or drop all of them"));
    }
    removed.push_back(std::move(entry->second));
    next.entries.erase(entry);
  }
  if (!next.entries.contains(next.published)) {
    next.published = 0;
  }
  if (absl::Status status = Commit({{std::string(name), std::move(next)}}); !status.ok()) {
    return status;
  }
  return removed;
}

absl::StatusOr<Catalog::Versions*> Catalog::Find(absl::string_view name) {
  const auto it = tables_.find(std::string(name));
  if (it == tables_.end() || it->second.entries.empty()) {
    return absl::NotFoundError(absl::StrCat("no table named \"", name, "\""));
  }
  return &it->second;
}

absl::Status Catalog::Commit(std::map<std::string, Versions> next) {
  std::vector<CatalogWrite> writes;
  for (auto& [name, versions] : next) {
    CatalogRecord record{.last_version = versions.last, .published_version = versions.published};
    for (auto& [version, entry] : versions.entries) {
      entry.info.published = version == versions.published;
      record.entries.push_back(entry);
    }
    writes.push_back({absl::StrCat(kTablePrefix, name), FormatCatalogRecord(record)});
  }
  if (absl::Status status = database_->WriteCatalog(writes); !status.ok()) {
    return status;
  }
  for (auto& [name, versions] : next) {
    tables_[name] = std::move(versions);
  }
  return absl::OkStatus();
}

}  // namespace engram::storage
