// The file system that RocksDB reads its tables through: reads go to a ReadEngine.
#ifndef ENGRAM_STORAGE_COLD_DIRECT_FILE_SYSTEM_H_
#define ENGRAM_STORAGE_COLD_DIRECT_FILE_SYSTEM_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "rocksdb/file_system.h"
#include "storage/io/read_engine.h"
#include "storage/io/readable_file.h"

namespace engram::storage {

// Files opened for random access are read with O_DIRECT through the calling thread's ReadQueue.
// Everything else goes to `base`. To RocksDB the files are buffered ones: alignment is dealt with
// here, which saves RocksDB a copy of each block.
// Thread-safe.
class DirectFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  // engine: not owned
  // max_kept: most files that Keep lets stay open
  DirectFileSystem(std::shared_ptr<rocksdb::FileSystem> base, ReadEngine* engine, int max_kept);

  const char* Name() const override { return "EngramDirectFileSystem"; }

  rocksdb::IOStatus NewRandomAccessFile(const std::string& path,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                        rocksdb::IODebugContext* debug) override;

  // The file at `path`; the same object, and descriptor, for as long as anybody holds it. Null and
  // the errno if it cannot be opened.
  std::shared_ptr<ReadableFile> OpenShared(const std::string& path, int* error);

  // The file that RocksDB opened last at `path`, if it has it open still.
  std::optional<FileId> OpenedByRocksDb(const std::string& path);

  // Whether one more file may stay open though nobody reads it. If so, it counts until LetGo.
  bool Keep();
  void LetGo();

  // The calling thread's queue.
  ReadQueue* ThreadQueue();

  const ReadEngine& engine() const { return *engine_; }

 private:
  ReadEngine* const engine_;
  const int max_kept_;
  std::atomic<int> kept_{0};
  // Threads know their queue by it, and free the queue some time after it is gone.
  const std::shared_ptr<const char> token_ = std::make_shared<const char>('\0');

  // Closed files are purged when files_ has grown to twice the size after the last purge.
  static constexpr size_t kMinPurge = 64;
  absl::Mutex mutex_;
  size_t purge_at_ ABSL_GUARDED_BY(mutex_) = kMinPurge;
  std::map<FileId, std::weak_ptr<ReadableFile>> files_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, FileId> opened_by_rocksdb_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_COLD_DIRECT_FILE_SYSTEM_H_
