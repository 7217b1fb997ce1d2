#include "storage/cold/direct_file_system.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/cold/aligned_buffer.h"

namespace engram::storage {
namespace {

using rocksdb::IOStatus;

IOStatus ErrorStatus(const std::string& path, int error) {
  const std::string what = std::strerror(error);
  return error == ENOENT ? IOStatus::PathNotFound(path, what) : IOStatus::IOError(path, what);
}

IOStatus ReadErrorStatus(const std::string& path, uint64_t offset, size_t length, int error) {
  return ErrorStatus(absl::StrCat("reading ", length, " bytes at ", offset, " of ", path), error);
}

class DirectFile final : public rocksdb::FSRandomAccessFile {
 public:
  DirectFile(DirectFileSystem* file_system, std::shared_ptr<ReadableFile> file)
      : file_system_(file_system), file_(std::move(file)) {}

  IOStatus Read(uint64_t offset, size_t length, const rocksdb::IOOptions& options,
                rocksdb::Slice* result, char* scratch,
                rocksdb::IODebugContext* debug) const override {
    rocksdb::FSReadRequest request;
    request.offset = offset;
    request.len = length;
    request.scratch = scratch;
    // MultiRead changes nothing; RocksDB only forgot to declare it const.
    const IOStatus status = const_cast<DirectFile*>(this)->MultiRead(&request, 1, options, debug);
    *result = request.result;
    return status.ok() ? request.status : status;
  }

  IOStatus MultiRead(rocksdb::FSReadRequest* requests, size_t count,
                     const rocksdb::IOOptions& /*options*/,
                     rocksdb::IODebugContext* /*debug*/) override {
    ReadQueue* queue = file_system_->ThreadQueue();
    std::vector<ReadRequest> reads(count);
    std::vector<AlignedBuffer> buffers(count);
    for (size_t i = 0; i < count; ++i) {
      constexpr uint64_t kMask = kDirectAlignment - 1;
      const uint64_t begin = requests[i].offset & ~kMask;
      const uint64_t end = (requests[i].offset + requests[i].len + kMask) & ~kMask;
      buffers[i] = NewAlignedBuffer(end - begin);
      reads[i] = {
          .fd = file_->fd(), .offset = begin, .length = end - begin, .buffer = buffers[i].get()};
      queue->Submit(&reads[i]);
    }
    queue->Await(absl::MakeSpan(reads));
    for (size_t i = 0; i < count; ++i) {
      Answer(reads[i], &requests[i]);
    }
    return IOStatus::OK();
  }

  size_t GetUniqueId(char* id, size_t max_size) const override {
    const FileId file = file_->id();
    if (max_size < sizeof(file.device) + sizeof(file.inode)) {
      return 0;
    }
    std::memcpy(id, &file.device, sizeof(file.device));
    std::memcpy(id + sizeof(file.device), &file.inode, sizeof(file.inode));
    return sizeof(file.device) + sizeof(file.inode);
  }

 private:
  // Copies what `wanted` asks for out of `read`, which spans it unless the file ended.
  void Answer(const ReadRequest& read, rocksdb::FSReadRequest* wanted) const {
    assert(read.done && read.offset <= wanted->offset);
    wanted->result = rocksdb::Slice(wanted->scratch, 0);
    if (read.error != 0) {
      wanted->status = ReadErrorStatus(file_->path(), wanted->offset, wanted->len, read.error);
      return;
    }
    const size_t skipped = wanted->offset - read.offset;
    const size_t landed = read.bytes_read - std::min(read.bytes_read, skipped);
    const size_t length = std::min(wanted->len, landed);
    std::memcpy(wanted->scratch, read.buffer + skipped, length);
    wanted->result = rocksdb::Slice(wanted->scratch, length);
    wanted->status = IOStatus::OK();
  }

  DirectFileSystem* const file_system_;
  const std::shared_ptr<ReadableFile> file_;
};

// The queues of one thread, each with the token of its file system.
struct ThreadQueues {
  struct Entry {
    const char* key;
    std::weak_ptr<const char> token;  // keeps the key's address from being used again
    std::unique_ptr<ReadQueue> queue;
  };
  std::vector<Entry> entries;
};

}  // namespace

DirectFileSystem::DirectFileSystem(std::shared_ptr<rocksdb::FileSystem> base, ReadEngine* engine,
                                   int max_kept)
    : FileSystemWrapper(base), engine_(engine), max_kept_(max_kept) {}

rocksdb::IOStatus DirectFileSystem::NewRandomAccessFile(
    const std::string& path, const rocksdb::FileOptions& /*options*/,
    std::unique_ptr<rocksdb::FSRandomAccessFile>* file, rocksdb::IODebugContext* /*debug*/) {
  int error = 0;
  std::shared_ptr<ReadableFile> opened = OpenShared(path, &error);
  if (opened == nullptr) {
    file->reset();
    return ErrorStatus(absl::StrCat("opening ", path), error);
  }
  {
    absl::MutexLock lock(&mutex_);
    opened_by_rocksdb_[path] = opened->id();
  }
  *file = std::make_unique<DirectFile>(this, std::move(opened));
  return IOStatus::OK();
}

std::shared_ptr<ReadableFile> DirectFileSystem::OpenShared(const std::string& path, int* error) {
  std::shared_ptr<ReadableFile> file =
      ReadableFile::Open(path, engine_->options().direct_io, error);
  if (file == nullptr) {
    return nullptr;
  }
  absl::MutexLock lock(&mutex_);
  std::weak_ptr<ReadableFile>& known = files_[file->id()];
  if (std::shared_ptr<ReadableFile> open = known.lock(); open != nullptr) {
    return open;
  }
  known = file;
  if (files_.size() >= purge_at_) {
    std::erase_if(files_, [](const auto& entry) { return entry.second.expired(); });
    std::erase_if(opened_by_rocksdb_, [this](const auto& entry) ABSL_NO_THREAD_SAFETY_ANALYSIS {
      return !files_.contains(entry.second);
    });
    purge_at_ = 2 * files_.size() + kMinPurge;
  }
  return file;
}

std::optional<FileId> DirectFileSystem::OpenedByRocksDb(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  const auto opened = opened_by_rocksdb_.find(path);
  if (opened == opened_by_rocksdb_.end()) {
    return std::nullopt;
  }
  return opened->second;
}

bool DirectFileSystem::Keep() {
  if (kept_.fetch_add(1, std::memory_order_relaxed) < max_kept_) {
    return true;
  }
  LetGo();
  return false;
}

void DirectFileSystem::LetGo() { kept_.fetch_sub(1, std::memory_order_relaxed); }

ReadQueue* DirectFileSystem::ThreadQueue() {
  thread_local ThreadQueues queues;
  for (const ThreadQueues::Entry& entry : queues.entries) {
    if (entry.key == token_.get()) {
      return entry.queue.get();
    }
  }
  std::erase_if(queues.entries,
                [](const ThreadQueues::Entry& entry) { return entry.token.expired(); });
  queues.entries.push_back({token_.get(), token_, engine_->NewQueue()});
  return queues.entries.back().queue.get();
}

}  // namespace engram::storage
