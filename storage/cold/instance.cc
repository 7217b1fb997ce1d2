#include "storage/cold/instance.h"

#include <sys/resource.h>

#include <algorithm>
#include <cassert>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "spdlog/spdlog.h"
#include "storage/cold/rocksdb_options.h"
#include "storage/cold/rocksdb_status.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kStagingDir = "staging";

// Files that the database may keep open. One descriptor a file of 64 MiB: large tables need more
// than the usual soft limit, so that is raised to the hard one. Sockets and the like are left a
// part of it.
int RaiseFileLimit() {
  constexpr rlim_t kMostFiles = 1 << 20;
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return 256;
  }
  if (limit.rlim_cur < limit.rlim_max) {
    const rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    limit = setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised : limit;
  }
  const rlim_t left_to_others = std::min<rlim_t>(limit.rlim_cur / 4, 1024);
  return static_cast<int>(std::min(kMostFiles, limit.rlim_cur - left_to_others));
}

// How the files that may be open are shared out.
struct FileLimits {
  int rocksdb;  // its option max_open_files
  int kept;     // by tables
};

FileLimits ShareOut(int max_open_files) {
  // RocksDB opens a file to check it and to import it, scans one at a time, and reads few pages. It
  // keeps the index of each open file, some 400 KB.
  constexpr int kMostOfRocksDb = 64 + 10;  // it subtracts 10 for files that are no tables
  const int rocksdb = std::min(kMostOfRocksDb, max_open_files / 2);
  // What remains is for files that readers open for one read: PageReader::kMaxBorrowing a thread.
  return {.rocksdb = rocksdb, .kept = (max_open_files - rocksdb) / 4 * 3};
}

bool Contains(const std::vector<uint64_t>& uids, uint64_t uid) {
  return std::find(uids.begin(), uids.end(), uid) != uids.end();
}

// A database that lost the file that names its parts: RocksDB would start a new one in its place.
bool LostCurrentFile(const std::string& dir) {
  std::error_code error;
  if (std::filesystem::exists(dir + "/CURRENT", error) || error) {
    return false;
  }
  const std::filesystem::directory_iterator files(dir, error);
  return !error && std::any_of(begin(files), end(files),
                               [](const auto& file) { return file.path().extension() == ".sst"; });
}

std::string WithoutTrailingSlashes(std::string dir) {
  while (dir.size() > 1 && dir.back() == '/') {
    dir.pop_back();
  }
  return dir;
}

}  // namespace

std::string ColumnFamilyName(uint64_t uid, absl::string_view prefix) {
  return absl::StrCat(prefix, uid);
}

std::optional<uint64_t> ColumnFamilyUid(absl::string_view name, absl::string_view prefix) {
  uint64_t uid = 0;
  if (!absl::ConsumePrefix(&name, prefix) || !absl::SimpleAtoi(name, &uid)) {
    return std::nullopt;
  }
  return uid;
}

ColumnFamily::~ColumnFamily() {
  if (dropped_) {
    absl::Status status = write_state_->CheckRunning();
    if (status.ok()) {
      const rocksdb::Status dropped = db_->DropColumnFamily(handle_);
      if (!dropped.ok()) {
        write_state_->Stop(dropped);
      }
      status = FromRocksDb(dropped, "dropping it");
    }
    if (!status.ok()) {
      spdlog::error("{} could not be removed; the next start tries again: {}", handle_->GetName(),
                    status.ToString());
    }
  }
  db_->DestroyColumnFamilyHandle(handle_);
}

Instance::Instance(std::string dir, ReadEngine* engine, std::shared_ptr<rocksdb::FileSystem> base,
                   int max_open_files, absl::string_view prefix)
    : dir_(WithoutTrailingSlashes(std::move(dir))),
      prefix_(prefix),
      rocksdb_files_(ShareOut(max_open_files).rocksdb),
      write_state_(std::make_shared<WriteState>(dir_, base)),
      file_system_(std::make_shared<DirectFileSystem>(std::move(base), engine,
                                                      ShareOut(max_open_files).kept)),
      env_(rocksdb::NewCompositeEnv(file_system_)) {}

Instance::~Instance() {
  {
    absl::MutexLock lock(&mutex_);
    families_.clear();
  }
  if (db_ != nullptr) {
    if (const auto status = db_->Close(); !status.ok()) {
      spdlog::error("closing the database in {}: {}", dir_, status.ToString());
    }
  }
}

absl::StatusOr<std::shared_ptr<Instance>> Instance::Open(const std::string& dir, ReadEngine* engine,
                                                         std::shared_ptr<rocksdb::FileSystem> base,
                                                         int max_open_files,
                                                         absl::string_view prefix) {
  std::shared_ptr<Instance> instance(
      new Instance(dir, engine, std::move(base),
                   max_open_files == 0 ? RaiseFileLimit() : max_open_files, prefix));
  if (auto status = instance->OpenDb(); !status.ok()) {
    return status;
  }
  return instance;
}

absl::Status Instance::OpenDb() {
  if (LostCurrentFile(dir_)) {
    return absl::DataLossError(
        absl::StrCat("the database in ", dir_, " has tables, but its file CURRENT is missing"));
  }
  if (auto status = write_state_->CheckOpening(); !status.ok()) {
    return status;
  }
  rocksdb::DBOptions options = DatabaseOptions(env_.get());
  options.max_open_files = rocksdb_files_;  // without a limit Open would read every file's index
  options.listeners.push_back(NewErrorListener(write_state_));
  std::vector<std::string> names;
  // Fails where there is no database yet.
  const bool exists = rocksdb::DB::ListColumnFamilies(options, dir_, &names).ok();
  if (!exists) {
    names = {rocksdb::kDefaultColumnFamilyName};
  }
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const std::string& name : names) {
    descriptors.emplace_back(
        name, name == rocksdb::kDefaultColumnFamilyName ? CatalogOptions() : TableOptions());
  }
  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  const auto status = rocksdb::DB::Open(options, dir_, descriptors, &handles, &db);
  if (!status.ok()) {
    return FromRocksDb(status, absl::StrCat("opening the database in ", dir_));
  }
  db_.reset(db);
  absl::MutexLock lock(&mutex_);
  for (rocksdb::ColumnFamilyHandle* handle : handles) {
    if (const auto uid = ColumnFamilyUid(handle->GetName(), prefix_); uid.has_value()) {
      families_[*uid] = std::make_shared<ColumnFamily>(db, *uid, handle, write_state_);
    } else {
      db->DestroyColumnFamilyHandle(handle);
    }
  }
  return absl::OkStatus();
}

std::string Instance::StagingDir(uint64_t uid) const {
  return absl::StrCat(dir_, "/", kStagingDir, "/", uid);
}

std::shared_ptr<ColumnFamily> Instance::FindColumnFamily(uint64_t uid) {
  absl::MutexLock lock(&mutex_);
  const auto found = families_.find(uid);
  return found == families_.end() ? nullptr : found->second;
}

absl::StatusOr<std::shared_ptr<ColumnFamily>> Instance::CreateColumnFamily(uint64_t uid) {
  if (auto status = write_state_->Check(0); !status.ok()) {
    return status;
  }
  rocksdb::ColumnFamilyHandle* handle = nullptr;
  const auto status =
      db_->CreateColumnFamily(TableOptions(), ColumnFamilyName(uid, prefix_), &handle);
  if (!status.ok()) {
    write_state_->Stop(status);
    return FromRocksDb(status, absl::StrCat("creating ", ColumnFamilyName(uid, prefix_)));
  }
  auto family = std::make_shared<ColumnFamily>(db_.get(), uid, handle, write_state_);
  absl::MutexLock lock(&mutex_);
  families_[uid] = family;
  return family;
}

void Instance::DropColumnFamily(const std::shared_ptr<ColumnFamily>& family) {
  family->MarkDropped();
  absl::MutexLock lock(&mutex_);
  // The caller's reference is not the last, so that no file is removed under the lock.
  families_.erase(family->uid());
}

bool Instance::ReserveUid(uint64_t uid) {
  absl::MutexLock lock(&mutex_);
  if (families_.count(uid) != 0 || Contains(writing_, uid)) {
    return false;
  }
  writing_.push_back(uid);
  return true;
}

void Instance::ReleaseUid(uint64_t uid) {
  absl::MutexLock lock(&mutex_);
  std::erase(writing_, uid);
}

absl::Status Instance::DropUnknown(const std::vector<uint64_t>& known_uids) {
  std::vector<uint64_t> writing;
  std::vector<std::shared_ptr<ColumnFamily>> unknown;
  {
    absl::MutexLock lock(&mutex_);
    writing = writing_;
    for (const auto& [uid, family] : families_) {
      if (!Contains(known_uids, uid) && !Contains(writing, uid)) {
        unknown.push_back(family);
      }
    }
  }
  for (const auto& family : unknown) {
    spdlog::info("removing {}, which is no table's", family->handle()->GetName());
    DropColumnFamily(family);
  }
  unknown.clear();

  std::error_code error;
  const std::filesystem::path staging = absl::StrCat(dir_, "/", kStagingDir);
  if (!std::filesystem::exists(staging, error)) {
    return absl::OkStatus();
  }
  for (const auto& entry : std::filesystem::directory_iterator(staging, error)) {
    uint64_t uid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &uid) || !Contains(writing, uid)) {
      std::filesystem::remove_all(entry.path(), error);
    }
    if (error) {
      break;
    }
  }
  return error ? absl::DataLossError(
                     absl::StrCat("removing files of ", staging.string(), ": ", error.message()))
               : absl::OkStatus();
}

}  // namespace engram::storage
