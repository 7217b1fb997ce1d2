#include "storage/cold/table_writer.h"

#include <algorithm>
#include <cassert>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "rocksdb/sst_file_writer.h"
#include "storage/cold/rocksdb_options.h"
#include "storage/cold/rocksdb_status.h"
#include "storage/cold/sst_map.h"

namespace engram::storage {
namespace {

absl::Status FromErrorCode(const std::error_code& error, absl::string_view context) {
  if (!error) {
    return absl::OkStatus();
  }
  const std::string message = absl::StrCat(context, ": ", error.message());
  if (error == std::errc::no_space_on_device) {
    return absl::ResourceExhaustedError(message);
  }
  return absl::DataLossError(message);
}

class SegmentedWriter final : public ColdTableWriter {
 public:
  SegmentedWriter(std::shared_ptr<Instance> instance, uint64_t uid, const TableSpec& spec,
                  uint64_t segment_bytes, OpenFinishedTable open_finished)
      : spec_(spec),
        layout_(spec),
        uid_(uid),
        segment_bytes_(segment_bytes),
        instance_(std::move(instance)),
        staging_(instance_->StagingDir(uid)),
        open_finished_(std::move(open_finished)) {}

  ~SegmentedWriter() override {
    RemoveStaging();
    instance_->ReleaseUid(uid_);
  }

  absl::Status CreateStaging() {
    RemoveStaging();
    std::error_code error;
    std::filesystem::create_directories(staging_, error);
    return FromErrorCode(error, absl::StrCat("creating ", staging_));
  }

  const PageLayout& layout() const override { return layout_; }

  uint64_t pages_per_segment() const override {
    return std::max<uint64_t>(1, segment_bytes_ / layout_.page_file_bytes());
  }

  uint64_t segment_count() const override {
    return (layout_.page_count() + pages_per_segment() - 1) / pages_per_segment();
  }

  absl::Status WriteSegment(uint64_t segment, absl::Span<const std::byte> rows) override {
    assert(segment < segment_count());
    if (auto status = instance_->write_state()->Check(rows.size()); !status.ok()) {
      return status;
    }
    const std::string path = SegmentPath(segment);
    const rocksdb::Options options(DatabaseOptions(instance_->env()), TableOptions());
    rocksdb::SstFileWriter file(SegmentFileOptions(), options);
    rocksdb::Status status = file.Open(path);
    const uint64_t first_page = segment * pages_per_segment();
    const uint64_t end_page = std::min(first_page + pages_per_segment(), layout_.page_count());
    for (uint64_t page = first_page; page < end_page && status.ok(); ++page) {
      const PageKey key = EncodePageKey(page);
      const size_t bytes = size_t{layout_.rows_in(page)} * layout_.row_bytes;
      assert(rows.size() >= bytes);
      status =
          file.Put({key.data(), key.size()}, {reinterpret_cast<const char*>(rows.data()), bytes});
      rows.remove_prefix(bytes);
    }
    assert(rows.empty() || !status.ok());
    if (status.ok()) {
      status = file.Finish();  // syncs
    }
    return FromRocksDb(status, absl::StrCat("writing ", path));
  }

  absl::StatusOr<std::unique_ptr<ColdTable>> Finish() override {
    auto family = instance_->CreateColumnFamily(uid_);
    if (!family.ok()) {
      return family.status();
    }
    if (auto status = Ingest(**family); !status.ok()) {
      instance_->DropColumnFamily(*family);
      return status;
    }
    return open_finished_(*family, spec_);
  }

 private:
  std::string SegmentPath(uint64_t segment) const {
    return absl::StrCat(staging_, "/", segment, ".sst");
  }

  absl::Status Ingest(const ColumnFamily& family) {
    std::vector<std::string> paths;
    for (uint64_t segment = 0; segment < segment_count(); ++segment) {
      paths.push_back(SegmentPath(segment));
    }
    rocksdb::IngestExternalFileOptions options;
    options.move_files = true;
    // The family is new: the files need no sequence number, and go to the last level.
    options.snapshot_consistency = false;
    options.allow_global_seqno = false;
    options.write_global_seqno = false;
    options.fail_if_not_bottommost_level = true;
    const auto status = instance_->db()->IngestExternalFile(family.handle(), paths, options);
    if (status.IsIOError() && !status.IsPathNotFound()) {
      instance_->write_state()->Stop(status);  // the manifest may be half written
    }
    return FromRocksDb(status,
                       absl::StrCat("adding ", paths.size(), " files to ", ColumnFamilyName(uid_)));
  }

  void RemoveStaging() {
    std::error_code ignored;  // DropUnknownTables will try again
    std::filesystem::remove_all(staging_, ignored);
  }

  const TableSpec spec_;
  const PageLayout layout_;
  const uint64_t uid_;
  const uint64_t segment_bytes_;
  const std::shared_ptr<Instance> instance_;
  const std::string staging_;
  const OpenFinishedTable open_finished_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ColdTableWriter>> NewColdTableWriter(
    std::shared_ptr<Instance> instance, uint64_t uid, const TableSpec& spec, uint64_t segment_bytes,
    OpenFinishedTable open_finished) {
  if (!instance->ReserveUid(uid)) {
    return absl::AlreadyExistsError(
        absl::StrCat("there is a table with the uid ", uid, " already"));
  }
  auto writer = std::make_unique<SegmentedWriter>(std::move(instance), uid, spec, segment_bytes,
                                                  std::move(open_finished));
  if (auto status = writer->CreateStaging(); !status.ok()) {
    return status;
  }
  return writer;
}

}  // namespace engram::storage
