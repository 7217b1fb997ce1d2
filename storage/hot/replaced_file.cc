#include "storage/hot/replaced_file.h"

#include <fcntl.h>

#include <cerrno>
#include <filesystem>

#include "absl/cleanup/cleanup.h"
#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"

namespace engram::storage {

absl::StatusOr<std::unique_ptr<ReplacedFile>> ReplacedFile::Create(std::string path,
                                                                   FileCalls calls) {
  const std::string temporary = path + kTemporarySuffix;
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot create ", temporary));
  return absl::WrapUnique(new ReplacedFile(std::move(path), std::move(calls), fd));
}

ReplacedFile::~ReplacedFile() {
  ::close(fd_);
  if (!in_place_) ::unlink(temporary_.c_str());
}

absl::Status ReplacedFile::Error(const char* what) const {
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot ", what, " ", temporary_));
}

absl::Status ReplacedFile::Append(absl::Span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = calls_.write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written == 0) errno = ENOSPC;
    if (written <= 0) return Error("write");
    appended_ += written;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

// Errors are left to Commit, whose fsync tells them again.
void ReplacedFile::Drain() {
  constexpr unsigned kWriteAndWait =
      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  ::sync_file_range(fd_, drained_, appended_ - drained_, kWriteAndWait);
  ::posix_fadvise(fd_, drained_, appended_ - drained_, POSIX_FADV_DONTNEED);
  drained_ = appended_;
}

absl::Status ReplacedFile::Commit() {
  if (calls_.fsync(fd_) != 0) return Error("sync");
  if (calls_.rename(temporary_.c_str(), path_.c_str()) != 0) return Error("rename");
  in_place_ = true;
  return SyncFolder();
}

absl::Status ReplacedFile::SyncFolder() const {
  const std::string folder = std::filesystem::path(path_).parent_path();
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", folder));
  const absl::Cleanup close = [fd] { ::close(fd); };
  if (calls_.fsync(fd) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot sync ", folder));
  return absl::OkStatus();
}

}  // namespace engram::storage
