// A file opened for reading, with O_DIRECT where the file system allows it.
#ifndef ENGRAM_STORAGE_IO_READABLE_FILE_H_
#define ENGRAM_STORAGE_IO_READABLE_FILE_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace engram::storage {

// Offset, length and buffer of a direct read are multiples of this.
inline constexpr size_t kDirectAlignment = 4096;

// Names a file as long as it is open, whatever its paths.
struct FileId {
  dev_t device = 0;
  ino_t inode = 0;
  friend auto operator<=>(const FileId&, const FileId&) = default;
};

// open(2), or what a test puts in its place: a descriptor, or -errno.
using OpenFunction = std::function<int(const std::string& path, int flags)>;

// Immutable; thread-safe.
class ReadableFile {
 public:
  // Opens `path`; with `direct` by O_DIRECT, or buffered where the file system refuses, which is
  // logged once for each file system. Returns null and sets *error to the errno if that fails.
  static std::unique_ptr<ReadableFile> Open(const std::string& path, bool direct, int* error,
                                            const OpenFunction& open = {});
  ~ReadableFile();
  ReadableFile(const ReadableFile&) = delete;
  ReadableFile& operator=(const ReadableFile&) = delete;

  int fd() const { return fd_; }
  bool direct() const { return direct_; }
  FileId id() const { return id_; }
  const std::string& path() const { return path_; }

 private:
  ReadableFile(std::string path, int fd, bool direct) : path_(path), fd_(fd), direct_(direct) {}

  const std::string path_;
  const int fd_;
  const bool direct_;
  FileId id_;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_IO_READABLE_FILE_H_
