#include "storage/cold/table_writer.h"

#include <algorithm>
#include <cassert>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/cold/page_file.h"

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
    const uint64_t first_page = segment * pages_per_segment();
    const uint64_t end_page = std::min(first_page + pages_per_segment(), layout_.page_count());
    const uint64_t end_row = std::min(layout_.first_row(end_page), layout_.rows);
    assert(rows.size() == (end_row - layout_.first_row(first_page)) * layout_.row_bytes);
    static_cast<void>(end_row);
    return WritePageFile(instance_.get(), SegmentPath(segment), layout_, first_page, rows);
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
    return IngestPageFiles(instance_.get(), family, paths);
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
