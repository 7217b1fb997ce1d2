// TieredStore::Import.
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "storage/cold/page_layout.h"
#include "storage/cold/write_state.h"
#include "storage/import/progress_meter.h"
#include "storage/import/table_importer.h"
#include "storage/tiered_store_impl.h"

namespace engram::storage {
namespace {

constexpr uint64_t kIndexBytesPerPage = 32;
constexpr size_t kMaxSourceBytes = 500;

// It is too late to cancel.
void ReportImported(const TableInfo& info,
                    const std::function<bool(const ImportProgress&)>& progress) {
  progress({.table = info.identity.name,
            .rows_done = info.spec.rows,
            .rows_total = info.spec.rows,
            .bytes_done = info.spec.table_bytes(),
            .bytes_total = info.spec.table_bytes(),
            .imported = info});
}

}  // namespace

absl::StatusOr<std::vector<TableInfo>> TieredStoreImpl::Import(const ImportOptions& options,
                                                               Progress progress) {
  auto sources = OpenRowSources(options);
  if (!sources.ok()) {
    return sources.status();
  }
  if (absl::Status status = ClaimNames(*sources); !status.ok()) {
    return status;
  }
  const absl::Cleanup release = [&] {
    absl::MutexLock lock(&mutex_);
    for (const NamedRowSource& source : *sources) {
      importing_.erase(source.table);
    }
  };
  if (absl::Status status = CheckDiskSpace(*sources); !status.ok()) {
    return status;
  }
  std::vector<WrittenTable> written;
  for (const NamedRowSource& source : *sources) {
    auto table = WriteTable(source, progress);
    if (!table.ok()) {
      Discard(written);
      return absl::Status(table.status().code(), absl::StrCat("importing table \"", source.table,
                                                              "\": ", table.status().message()));
    }
    table->entry.info.published = !options.stage_only;
    written.push_back(*std::move(table));
  }
  auto imported = AddTables(std::move(written));
  if (imported.ok()) {
    for (const TableInfo& info : *imported) {
      ReportImported(info, progress);
    }
  }
  return imported;
}

absl::Status TieredStoreImpl::ClaimNames(const std::vector<NamedRowSource>& sources) {
  absl::MutexLock lock(&mutex_);
  for (const NamedRowSource& source : sources) {
    if (importing_.contains(source.table)) {
      return absl::AlreadyExistsError(
          absl::StrCat("an import of table \"", source.table, "\" is running"));
    }
  }
  for (const NamedRowSource& source : sources) {
    importing_.insert(source.table);
  }
  return absl::OkStatus();
}

absl::StatusOr<TieredStoreImpl::WrittenTable> TieredStoreImpl::WriteTable(
    const NamedRowSource& source, const Progress& progress) {
  const auto uid = catalog_->ReserveUid();
  if (!uid.ok()) {
    return uid.status();
  }
  auto writer = database_->NewTable(*uid, source.rows->spec());
  if (!writer.ok()) {
    return writer.status();
  }
  const auto digest = CopyRows(source, writer->get(), progress);
  if (!digest.ok()) {
    return digest.status();
  }
  auto cold = (*writer)->Finish();
  if (!cold.ok()) {
    return cold.status();
  }
  WrittenTable table;
  table.entry.uid = *uid;
  table.entry.info.identity = {.name = source.table, .digest = *digest};
  table.entry.info.spec = source.rows->spec();
  table.entry.info.imported_unix_seconds = absl::ToUnixSeconds(absl::Now());
  // Names of files and tensors are whatever somebody chose.
  table.entry.info.source =
      absl::Utf8SafeCEscape(source.rows->description()).substr(0, kMaxSourceBytes);
  table.cold = *std::move(cold);
  return table;
}

void TieredStoreImpl::Discard(const std::vector<WrittenTable>& tables) {
  for (const WrittenTable& table : tables) {
    table.cold->MarkDropped();
  }
}

absl::StatusOr<std::vector<TableInfo>> TieredStoreImpl::AddTables(
    std::vector<WrittenTable> tables) {
  std::vector<CatalogEntry> entries;
  for (const WrittenTable& table : tables) {
    entries.push_back(table.entry);
  }
  absl::MutexLock lock(&change_mutex_);
  const auto added = catalog_->Add(std::move(entries));
  if (!added.ok()) {
    Discard(tables);
    return added.status();
  }
  std::vector<TableInfo> infos;
  for (size_t i = 0; i < tables.size(); ++i) {
    infos.push_back((*added)[i].info);
    infos.back().disk_bytes = tables[i].cold->disk_bytes();
    Register((*added)[i], std::move(tables[i].cold));
  }
  warm_->SetDivisionDue();
  return infos;
}

// Better to refuse at once than to fail after an hour.
absl::Status TieredStoreImpl::CheckDiskSpace(const std::vector<NamedRowSource>& sources) const {
  uint64_t needed = WriteState::kReservedBytes;
  for (const NamedRowSource& source : sources) {
    const PageLayout layout(source.rows->spec());
    needed += layout.page_count() * (layout.page_file_bytes() + kIndexBytesPerPage);
  }
  std::error_code error;
  const auto space = std::filesystem::space(options_.data_dir, error);
  if (!error && space.available < needed) {
    return absl::ResourceExhaustedError(
        absl::StrCat("importing table \"", sources.front().table, "\"",
                     sources.size() > 1 ? " and others" : "", " needs ", needed,
                     " bytes of disk, and ", space.available, " are free in ", options_.data_dir));
  }
  return absl::OkStatus();
}

absl::StatusOr<Digest> TieredStoreImpl::CopyRows(const NamedRowSource& source,
                                                 ColdTableWriter* writer,
                                                 const Progress& progress) {
  const TableSpec& spec = source.rows->spec();
  ProgressMeter meter(spec.table_bytes(), absl::Now());
  const auto report = [&](uint64_t rows_done) {
    const uint64_t bytes_done = rows_done * spec.row_bytes;
    meter.Update(bytes_done, absl::Now());
    return progress({.table = source.table,
                     .rows_done = rows_done,
                     .rows_total = spec.rows,
                     .bytes_done = bytes_done,
                     .bytes_total = spec.table_bytes(),
                     .bytes_per_second = meter.bytes_per_second(),
                     .seconds_left = meter.seconds_left()});
  };
  auto digest = ImportRows(*source.rows, writer, DefaultImportThreads(), report);
  if (digest.ok() && !report(spec.rows)) {
    return absl::CancelledError("import cancelled");
  }
  return digest;
}

}  // namespace engram::storage
