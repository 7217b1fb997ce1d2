#include "storage/cold/sst_map.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/cold/page_layout.h"
#include "storage/cold/rocksdb_options.h"

namespace engram::storage {

rocksdb::Status ReadByRocksDb(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* family, uint64_t page,
                              absl::Time deadline, rocksdb::PinnableSlice* value) {
  const PageKey key = EncodePageKey(page);
  rocksdb::ReadOptions options = PageReadOptions();
  if (deadline != absl::InfiniteFuture()) {
    options.deadline = std::chrono::microseconds(absl::ToUnixMicros(deadline));
  }
  return db->Get(options, family, {key.data(), key.size()}, value);
}

SstFile::~SstFile() {
  if (file_ != nullptr) {
    file_system_->LetGo();
  }
}

OpenSst SstFile::Open() {
  absl::MutexLock lock(&mutex_);
  if (file_ != nullptr) {
    return {.file = file_, .kept = true};
  }
  int error = 0;
  std::shared_ptr<const ReadableFile> file = file_system_->OpenShared(path, &error);
  if (file == nullptr || !IsKnown(file->id())) {
    return {};
  }
  if (file_system_->Keep()) {
    file_ = file;
  }
  return {.file = std::move(file), .kept = file_ != nullptr};
}

bool SstFile::IsKnown(FileId id) {
  const auto reads = [this](uint64_t page) {
    rocksdb::PinnableSlice value;
    return ReadByRocksDb(db_, family_, page, absl::InfiniteFuture(), &value).ok();
  };
  // RocksDB checks a file when it opens it, and opens it no later than to read of it. The second
  // page is for files whose first one is damaged.
  if (!known_.has_value() && (reads(first_page) || reads(last_page))) {
    known_ = file_system_->OpenedByRocksDb(path);
  }
  return known_ == id;
}

SstMap::SstMap(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* family, DirectFileSystem* file_system,
               const SstMap* last) {
  std::map<std::string, std::shared_ptr<SstFile>> known;  // numbers of files are not used again
  if (last != nullptr) {
    for (const auto& file : last->files_) known[file->path] = file;
  }
  rocksdb::ColumnFamilyMetaData metadata;
  db->GetColumnFamilyMetaData(family, &metadata);
  for (const rocksdb::LevelMetaData& level : metadata.levels) {
    disk_bytes_ += level.size;
    if (level.level + 1 != static_cast<int>(metadata.levels.size())) {
      files_above_ += level.files.size();
      continue;
    }
    for (const rocksdb::SstFileMetaData& file : level.files) {
      if (file.smallestkey.size() == PageKey().size() &&
          file.largestkey.size() == PageKey().size()) {
        const std::string path = absl::StrCat(file.directory, "/", file.relative_filename);
        const auto same = known.find(path);
        files_.push_back(same != known.end()
                             ? same->second
                             : std::make_shared<SstFile>(DecodePageKey(file.smallestkey.data()),
                                                         DecodePageKey(file.largestkey.data()),
                                                         path, db, family, file_system));
      }
    }
  }
  std::sort(files_.begin(), files_.end(),
            [](const auto& a, const auto& b) { return a->first_page < b->first_page; });
}

uint64_t SstMap::leading_pages() const {
  uint64_t pages = 0;
  for (const auto& file : files_) {
    if (file->first_page > pages) {
      break;
    }
    pages = std::max(pages, file->last_page + 1);
  }
  return pages;
}

SstFile* SstMap::Find(uint64_t page) const {
  const auto after =
      std::upper_bound(files_.begin(), files_.end(), page,
                       [](uint64_t p, const auto& file) { return p < file->first_page; });
  if (after == files_.begin() || (*std::prev(after))->last_page < page) {
    return nullptr;
  }
  return std::prev(after)->get();
}

}  // namespace engram::storage
