#include "storage/io/readable_file.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "spdlog/spdlog.h"

namespace engram::storage {
namespace {

int SystemOpen(const std::string& path, int flags) {
  for (;;) {
    const int fd = open(path.c_str(), flags);
    if (fd >= 0 || errno != EINTR) {
      return fd >= 0 ? fd : -errno;
    }
  }
}

// Whether direct reads aligned to kDirectAlignment work on a file that opened with O_DIRECT. Some
// file systems accept the flag and refuse the read; a kernel of 6.1 or later tells.
bool DirectReadsWork(int fd) {
#ifdef STATX_DIOALIGN
  struct statx info = {};
  if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &info) != 0 ||
      (info.stx_mask & STATX_DIOALIGN) == 0) {
    return true;
  }
  return info.stx_dio_offset_align != 0 && info.stx_dio_offset_align <= kDirectAlignment &&
         info.stx_dio_mem_align <= kDirectAlignment;
#else
  return fd >= 0;
#endif
}

// Says once for each file system that it is read buffered.
void LogBuffered(const std::string& path, dev_t device) {
  static absl::Mutex mutex(absl::kConstInit);
  static auto* devices ABSL_GUARDED_BY(mutex) = new std::set<dev_t>;
  {
    absl::MutexLock lock(&mutex);
    if (!devices->insert(device).second) {
      return;
    }
  }
  spdlog::warn("{}: the file system refuses O_DIRECT; reads go through the page cache", path);
}

}  // namespace

std::unique_ptr<ReadableFile> ReadableFile::Open(const std::string& path, bool direct, int* error,
                                                 const OpenFunction& open_function) {
  const OpenFunction open = open_function ? open_function : SystemOpen;
  constexpr int kFlags = O_RDONLY | O_CLOEXEC;
  int fd = direct ? open(path, kFlags | O_DIRECT) : -EINVAL;
  if (fd >= 0 && !DirectReadsWork(fd)) {
    close(fd);
    fd = -EINVAL;
  }
  const bool opened_direct = fd >= 0;
  if (fd == -EINVAL) {
    fd = open(path, kFlags);
  }
  if (fd < 0) {
    *error = -fd;
    return nullptr;
  }
  std::unique_ptr<ReadableFile> file(new ReadableFile(path, fd, opened_direct));
  struct stat info = {};
  if (fstat(fd, &info) != 0) {
    *error = errno;
    return nullptr;
  }
  if (direct && !opened_direct) {
    LogBuffered(path, info.st_dev);
  }
  file->id_ = {.device = info.st_dev, .inode = info.st_ino};
  return file;
}

ReadableFile::~ReadableFile() { close(fd_); }

}  // namespace engram::storage
