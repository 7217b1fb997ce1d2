// TieredStore::Import.
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "storage/cold/page_layout.h"
#include "storage/import/progress_meter.h"
#include "storage/import/table_importer.h"
#include "storage/tiered_store_impl.h"

namespace engram::storage {
namespace {

constexpr uint64_t kIndexBytesPerPage = 32;

// Returns whether to go on.
bool ReportImported(const TableInfo& info,
                    const std::function<bool(const ImportProgress&)>& progress) {
  return progress({.table = info.identity.name,
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
  std::vector<TableInfo> imported;
  for (const NamedRowSource& source : *sources) {
    {
      absl::MutexLock lock(&mutex_);
      if (!importing_.insert(source.table).second) {
        return absl::AlreadyExistsError(
            absl::StrCat("an import of table \"", source.table, "\" is running"));
      }
    }
    const absl::Cleanup done = [&] {
      absl::MutexLock lock(&mutex_);
      importing_.erase(source.table);
    };
    auto info = ImportTable(source, !options.stage_only, progress);
    if (!info.ok()) {
      return absl::Status(info.status().code(), absl::StrCat("importing table \"", source.table,
                                                             "\": ", info.status().message()));
    }
    imported.push_back(*std::move(info));
    if (!ReportImported(imported.back(), progress) && imported.size() < sources->size()) {
      return absl::CancelledError(
          absl::StrCat("import cancelled after table \"", source.table, "\""));
    }
  }
  return imported;
}

absl::StatusOr<TableInfo> TieredStoreImpl::ImportTable(const NamedRowSource& source, bool publish,
                                                       const Progress& progress) {
  if (absl::Status status = CheckDiskSpace(source); !status.ok()) {
    return status;
  }
  const auto uid = catalog_->ReserveUid();
  if (!uid.ok()) {
    return uid.status();
  }
  auto writer = database_->NewTable(*uid, source.rows->spec());
  if (!writer.ok()) {
    return writer.status();
  }
  auto digest = CopyRows(source, writer->get(), progress);
  if (!digest.ok()) {
    return digest.status();
  }
  auto cold = (*writer)->Finish();
  if (!cold.ok()) {
    return cold.status();
  }
  TableInfo info{.identity = {.name = source.table, .digest = *digest},
                 .spec = source.rows->spec(),
                 .published = publish,
                 .imported_unix_seconds = absl::ToUnixSeconds(absl::Now()),
                 .source = source.rows->description()};
  {
    absl::MutexLock lock(&change_mutex_);
    auto entry = catalog_->Add(*uid, std::move(info));
    if (!entry.ok()) {
      (*cold)->MarkDropped();
      return entry.status();
    }
    info = entry->info;
    info.disk_bytes = (*cold)->disk_bytes();
    Register(*entry, *std::move(cold));
  }
  return info;
}

// Better to refuse at once than to fail after an hour.
absl::Status TieredStoreImpl::CheckDiskSpace(const NamedRowSource& source) const {
  const PageLayout layout(source.rows->spec());
  const uint64_t needed = layout.page_count() * (layout.page_file_bytes() + kIndexBytesPerPage);
  std::error_code error;
  const auto space = std::filesystem::space(options_.data_dir, error);
  if (!error && space.available < needed) {
    return absl::ResourceExhaustedError(absl::StrCat("it needs ", needed, " bytes of disk, and ",
                                                     space.available, " are free in ",
                                                     options_.data_dir));
  }
  return absl::OkStatus();
}

absl::StatusOr<Digest> TieredStoreImpl::CopyRows(const NamedRowSource& source,
                                                 ColdTableWriter* writer,
                                                 const Progress& progress) {
  const TableSpec& spec = source.rows->spec();
  ProgressMeter meter(spec.table_bytes(), absl::Now());
  return ImportRows(*source.rows, writer, DefaultImportThreads(), [&](uint64_t rows_done) {
    const uint64_t bytes_done = rows_done * spec.row_bytes;
    meter.Update(bytes_done, absl::Now());
    return progress({.table = source.table,
                     .rows_done = rows_done,
                     .rows_total = spec.rows,
                     .bytes_done = bytes_done,
                     .bytes_total = spec.table_bytes(),
                     .bytes_per_second = meter.bytes_per_second(),
                     .seconds_left = meter.seconds_left()});
  });
}

}  // namespace engram::storage
