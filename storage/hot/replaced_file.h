// A file that is replaced as a whole or not at all.
#ifndef ENGRAM_STORAGE_HOT_REPLACED_FILE_H_
#define ENGRAM_STORAGE_HOT_REPLACED_FILE_H_

#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace engram::storage {

// The system calls that can fail on the way, as they are named; tests let them.
struct FileCalls {
  std::function<ssize_t(int, const void*, size_t)> write = ::write;
  std::function<int(int)> fsync = ::fsync;
  std::function<int(const char*, const char*)> rename = ::rename;
};

// Is written beside the file that it replaces, under the name with ".tmp" behind, which must not be
// anybody else's; a crash may leave that. For one thread at a time.
class ReplacedFile {
 public:
  static constexpr char kTemporarySuffix[] = ".tmp";

  //   RESOURCE_EXHAUSTED (disk full), or what else the system says; so do all functions here
  static absl::StatusOr<std::unique_ptr<ReplacedFile>> Create(std::string path, FileCalls calls);

  // Removes what was written, unless Commit succeeded.
  ~ReplacedFile();

  absl::Status Append(absl::Span<const std::byte> bytes);

  // Waits until what was appended so far is on its way to disk, and takes it out of the page cache,
  // so that neither Commit nor others pay for a large file at once. Only Commit makes it durable.
  void Drain();

  // Puts the file in its place, and makes that durable. Nothing may follow.
  absl::Status Commit();

 private:
  ReplacedFile(std::string path, FileCalls calls, int fd)
      : path_(std::move(path)),
        temporary_(path_ + kTemporarySuffix),
        calls_(std::move(calls)),
        fd_(fd) {}

  absl::Status SyncFolder() const;
  absl::Status Error(const char* what) const;

  const std::string path_;
  const std::string temporary_;
  const FileCalls calls_;
  const int fd_;
  off_t appended_ = 0;  // bytes
  off_t drained_ = 0;
  bool in_place_ = false;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_HOT_REPLACED_FILE_H_
