#include "storage/cold/page_file.h"

#include "absl/strings/str_cat.h"
#include "rocksdb/sst_file_writer.h"
#include "storage/cold/rocksdb_options.h"
#include "storage/cold/rocksdb_status.h"

namespace engram::storage {

absl::Status WritePageFile(Instance* instance, const std::string& path, const PageLayout& layout,
                           uint64_t first_page, absl::Span<const std::byte> rows) {
  if (auto status = instance->write_state()->Check(rows.size()); !status.ok()) {
    return status;
  }
  const rocksdb::Options options(DatabaseOptions(instance->env()), TableOptions());
  rocksdb::SstFileWriter file(SegmentFileOptions(), options);
  rocksdb::Status status = file.Open(path);
  std::vector<std::byte> padded;
  for (uint64_t page = first_page; !rows.empty() && status.ok(); ++page) {
    const size_t bytes = size_t{layout.rows_in(page)} * layout.row_bytes;
    if (rows.size() < bytes) {
      padded.assign(rows.begin(), rows.end());
      padded.resize(bytes);
      rows = padded;
    }
    const PageKey key = EncodePageKey(page);
    status =
        file.Put({key.data(), key.size()}, {reinterpret_cast<const char*>(rows.data()), bytes});
    rows.remove_prefix(bytes);
  }
  if (status.ok()) {
    status = file.Finish();  // syncs
  }
  return FromRocksDb(status, absl::StrCat("writing ", path));
}

absl::Status IngestPageFiles(Instance* instance, const ColumnFamily& family,
                             const std::vector<std::string>& paths) {
  rocksdb::IngestExternalFileOptions options;
  options.move_files = true;
  // Nothing that is there overlaps: the files need no sequence number, and go to the last level.
  options.snapshot_consistency = false;
  options.allow_global_seqno = false;
  options.write_global_seqno = false;
  options.fail_if_not_bottommost_level = true;
  const auto status = instance->db()->IngestExternalFile(family.handle(), paths, options);
  if (status.IsIOError() && !status.IsPathNotFound()) {
    instance->write_state()->Stop(status);  // the manifest may be half written
  }
  return FromRocksDb(
      status, absl::StrCat("adding ", paths.size(), " files to ", family.handle()->GetName()));
}

}  // namespace engram::storage
