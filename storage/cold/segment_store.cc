#include "storage/cold/segment_store.h"

#include <sys/resource.h>

#include <algorithm>
#include <cassert>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "rocksdb/convenience.h"
#include "spdlog/spdlog.h"
#include "storage/cold/instance.h"
#include "storage/cold/page_file.h"
#include "storage/cold/page_reader.h"
#include "storage/cold/rocksdb_status.h"
#include "storage/cold/sst_map.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kWarmFamilies = "warm.";

// Files that may be open: a small part of what the process may have, for tables need most of it. A
// segment has 16 MiB, so this is enough for 16 GiB; beyond that files are opened for a read.
int FileLimit(int max_open_files) {
  constexpr rlim_t kFewestFiles = 24;
  constexpr rlim_t kMostFiles = 1024;
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = kMostFiles;
  const rlim_t all = max_open_files > 0 ? static_cast<rlim_t>(max_open_files) : limit.rlim_cur;
  return static_cast<int>(std::clamp(all / 8, kFewestFiles, kMostFiles));
}

class RocksSegmentStore final : public SegmentStore {
 public:
  RocksSegmentStore(std::shared_ptr<Instance> instance, std::shared_ptr<ColumnFamily> family,
                    const SegmentShape& shape)
      : shape_(shape),
        layout_(shape.layout()),
        instance_(std::move(instance)),
        family_(std::move(family)),
        files_(std::make_shared<SstMap>(instance_->db(), family_->handle(),
                                        instance_->file_system())) {}

  std::vector<uint64_t> Present() const override {
    std::vector<uint64_t> segments;
    for (const auto& file : Files()->files()) segments.push_back(file->first_page / shape_.pages);
    return segments;
  }

  // Whether all that is there are segments of this shape.
  bool FitsShape() const {
    const auto files = Files();
    return files->files_above() == 0 &&
           std::all_of(files->files().begin(), files->files().end(), [this](const auto& file) {
             return file->first_page % shape_.pages == 0 &&
                    file->last_page - file->first_page < shape_.pages;
           });
  }

  // Segments that a larger store left.
  absl::Status RemoveBeyondEnd() {
    absl::Status status;
    for (const uint64_t segment : Present()) {
      if (segment >= shape_.segments) status.Update(Remove(segment));
    }
    Refresh();
    return status;
  }

  absl::Status Replace(uint64_t segment, absl::Span<const std::byte> rows) override {
    assert(segment < shape_.segments &&
           rows.size() <= shape_.rows_per_segment() * shape_.row_bytes);
    const std::string path = absl::StrCat(instance_->StagingDir(family_->uid()), "/segment.sst");
    std::error_code error;
    std::filesystem::create_directories(instance_->StagingDir(family_->uid()), error);
    absl::Status status =
        WritePageFile(instance_.get(), path, layout_, segment * shape_.pages, rows);
    if (status.ok()) status = Remove(segment);
    if (status.ok()) status = IngestPageFiles(instance_.get(), *family_, {path});
    std::filesystem::remove(path, error);
    Refresh();
    return status;
  }

  absl::Status Read(absl::Span<const RowRead> reads, const ReadTerms& terms, RowSink* sink,
                    ColdReadStats* stats) override {
    const std::shared_ptr<const SstMap> files = Files();
    PageReader reader({.db = instance_->db(),
                       .family = family_->handle(),
                       .file_system = instance_->file_system(),
                       .files = files.get()},
                      layout_, reads, sink);
    absl::Status status = reader.Run(terms);
    *stats += reader.stats();
    return status;
  }

  uint64_t disk_bytes() const override { return Files()->disk_bytes(); }

  // Frees the disk space when the object is destroyed.
  void MarkDropped() { instance_->DropColumnFamily(family_); }

 private:
  std::shared_ptr<const SstMap> Files() const {
    absl::MutexLock lock(&mutex_);
    return files_;
  }

  void Refresh() {
    auto files = std::make_shared<SstMap>(instance_->db(), family_->handle(),
                                          instance_->file_system(), Files().get());
    absl::MutexLock lock(&mutex_);
    files_ = std::move(files);
  }

  absl::Status Remove(uint64_t segment) const {
    const PageKey first = EncodePageKey(segment * shape_.pages);
    const PageKey last = EncodePageKey((segment + 1) * shape_.pages - 1);
    const rocksdb::Slice from(first.data(), first.size());
    const rocksdb::Slice to(last.data(), last.size());
    const auto status = rocksdb::DeleteFilesInRange(instance_->db(), family_->handle(), &from, &to);
    return FromRocksDb(status, absl::StrCat("removing segment ", segment));
  }

  const SegmentShape shape_;
  const PageLayout layout_;
  // In the order in which they need each other.
  const std::shared_ptr<Instance> instance_;
  const std::shared_ptr<ColumnFamily> family_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const SstMap> files_ ABSL_GUARDED_BY(mutex_);
};

class RocksSegmentDatabase final : public SegmentDatabase {
 public:
  explicit RocksSegmentDatabase(std::shared_ptr<Instance> instance)
      : instance_(std::move(instance)) {}

  absl::StatusOr<std::unique_ptr<SegmentStore>> OpenStore(uint64_t uid,
                                                          const SegmentShape& shape) override {
    if (auto family = instance_->FindColumnFamily(uid); family != nullptr) {
      auto store = std::make_unique<RocksSegmentStore>(instance_, family, shape);
      if (store->FitsShape() && store->RemoveBeyondEnd().ok()) return store;
      store->MarkDropped();
    }
    auto family = instance_->CreateColumnFamily(uid);
    if (!family.ok()) return family.status();
    return std::make_unique<RocksSegmentStore>(instance_, *std::move(family), shape);
  }

  absl::Status DropUnknown(absl::Span<const uint64_t> known_uids) override {
    return instance_->DropUnknown({known_uids.begin(), known_uids.end()});
  }

 private:
  const std::shared_ptr<Instance> instance_;
};

}  // namespace

PageLayout SegmentShape::layout() const {
  TableSpec spec;
  spec.row_bytes = row_bytes;
  PageLayout layout(spec);
  layout.rows = segments * pages * layout.rows_per_page;
  return layout;
}

uint64_t SegmentShape::segment_disk_bytes() const {
  // The index has some 20 bytes a page; properties, footer and padding are less than 16 KiB.
  constexpr uint64_t kIndexBytes = 32;
  constexpr uint64_t kFileBytes = 16 << 10;
  return pages * (layout().page_file_bytes() + kIndexBytes) + kFileBytes;
}

absl::StatusOr<std::unique_ptr<SegmentDatabase>> SegmentDatabase::Open(
    const std::string& dir, ReadEngine* engine, const DatabaseConfig& config) {
  const auto open = [&] {
    return Instance::Open(dir, engine, config.file_system, FileLimit(config.max_open_files),
                          kWarmFamilies);
  };
  auto instance = open();
  if (!instance.ok() && absl::IsDataLoss(instance.status())) {
    spdlog::warn("the warm tier starts empty: {}", instance.status().ToString());
    std::error_code error;
    std::filesystem::remove_all(dir, error);
    instance = open();
  }
  if (!instance.ok()) return instance.status();
  return std::make_unique<RocksSegmentDatabase>(*std::move(instance));
}

}  // namespace engram::storage
