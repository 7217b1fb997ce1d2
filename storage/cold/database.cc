#include "storage/cold/database.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "rocksdb/write_batch.h"
#include "storage/cold/cold_table.h"
#include "storage/cold/database_impl.h"
#include "storage/cold/instance.h"
#include "storage/cold/rocksdb_status.h"
#include "storage/cold/table_writer.h"

namespace engram::storage {
namespace {

class RocksDatabase final : public Database {
 public:
  RocksDatabase(std::shared_ptr<Instance> instance, uint64_t segment_bytes)
      : segment_bytes_(segment_bytes), instance_(std::move(instance)) {}

  absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ReadCatalog(
      absl::string_view prefix) override {
    rocksdb::ReadOptions options;
    options.verify_checksums = true;
    const std::unique_ptr<rocksdb::Iterator> record(instance_->db()->NewIterator(options));
    std::vector<std::pair<std::string, std::string>> records;
    const rocksdb::Slice start(prefix.data(), prefix.size());
    for (record->Seek(start); record->Valid() && record->key().starts_with(start); record->Next()) {
      records.emplace_back(record->key().ToString(), record->value().ToString());
    }
    if (!record->status().ok()) {
      return FromRocksDb(record->status(), "reading the catalog");
    }
    return records;
  }

  absl::Status WriteCatalog(absl::Span<const CatalogWrite> writes) override {
    if (auto status = instance_->write_state()->CheckCatalogWrite(); !status.ok()) {
      return status;
    }
    rocksdb::WriteBatch batch;
    for (const CatalogWrite& write : writes) {
      const rocksdb::Status status =
          write.value.has_value() ? batch.Put(write.key, *write.value) : batch.Delete(write.key);
      if (!status.ok()) {
        return FromRocksDb(status, "writing the catalog");
      }
    }
    rocksdb::WriteOptions options;
    options.sync = true;
    rocksdb::Status status = instance_->db()->Write(options, &batch);
    if (status.ok()) {
      // Not left to the log, whose loss RocksDB would not notice: tables that the catalog does not
      // know are removed at the next start.
      status = instance_->db()->Flush(rocksdb::FlushOptions());
    }
    return FromRocksDb(status, "writing the catalog");
  }

  absl::StatusOr<std::unique_ptr<ColdTable>> OpenTable(uint64_t uid,
                                                       const TableSpec& spec) override {
    const std::shared_ptr<ColumnFamily> family = instance_->FindColumnFamily(uid);
    if (family == nullptr) {
      return absl::DataLossError(
          absl::StrCat("the database has no ", ColumnFamilyName(uid), ", which a table is in"));
    }
    auto files =
        std::make_shared<SstMap>(instance_->db(), family->handle(), instance_->file_system());
    if (const uint64_t pages = PageLayout(spec).page_count(); files->leading_pages() != pages) {
      return absl::DataLossError(absl::StrCat(ColumnFamilyName(uid), " lacks page ",
                                              files->leading_pages(), " of ", pages));
    }
    return NewColdTable(instance_, family, std::move(files), spec);
  }

  absl::StatusOr<std::unique_ptr<ColdTableWriter>> NewTable(uint64_t uid,
                                                            const TableSpec& spec) override {
    return NewColdTableWriter(instance_, uid, spec, segment_bytes_,
                              [instance = instance_](const std::shared_ptr<ColumnFamily>& family,
                                                     const TableSpec& table_spec) {
                                auto files = std::make_shared<SstMap>(
                                    instance->db(), family->handle(), instance->file_system());
                                return NewColdTable(instance, family, std::move(files), table_spec);
                              });
  }

  absl::Status DropUnknownTables(absl::Span<const uint64_t> known_uids) override {
    return instance_->DropUnknown({known_uids.begin(), known_uids.end()});
  }

 private:
  const uint64_t segment_bytes_;
  const std::shared_ptr<Instance> instance_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> OpenDatabase(const std::string& dir, ReadEngine* engine,
                                                       const DatabaseConfig& config) {
  auto instance = Instance::Open(dir, engine, config.file_system, config.max_open_files);
  if (!instance.ok()) {
    return instance.status();
  }
  return std::make_unique<RocksDatabase>(*std::move(instance), config.segment_bytes);
}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& dir,
                                                         ReadEngine* engine) {
  return OpenDatabase(dir, engine, DatabaseConfig());
}

}  // namespace engram::storage
