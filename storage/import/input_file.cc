#include "storage/import/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace engram::storage {
namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr size_t kMaxQuotedBytes = 160;

absl::Status OpenError(const std::string& path, int error) {
  const std::string message = absl::StrCat(path, ": cannot be opened: ", strerror(error));
  if (error == ENOENT || error == ENOTDIR) return absl::NotFoundError(message);
  if (error == EACCES || error == EPERM) return absl::PermissionDeniedError(message);
  if (error == EMFILE || error == ENFILE) return absl::ResourceExhaustedError(message);
  return absl::DataLossError(message);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const InputFile>> InputFile::Open(const std::string& path) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer. It means nothing to a regular file.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return OpenError(path, errno);
  struct stat info = {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    return absl::InvalidArgumentError(absl::StrCat(path, ": is not a regular file"));
  }
  posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  return std::shared_ptr<const InputFile>(
      new InputFile(fd, path, static_cast<uint64_t>(info.st_size)));
}

InputFile::InputFile(int fd, std::string path, uint64_t size)
    : fd_(fd), path_(std::move(path)), size_(size) {}

InputFile::~InputFile() { close(fd_); }

absl::Status InputFile::ReadAt(uint64_t offset, absl::Span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t got = pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return absl::DataLossError(
          absl::StrCat(path_, ": read error at byte ", offset, ": ", strerror(errno)));
    }
    if (got == 0) {
      return absl::DataLossError(absl::StrCat(path_, ": ends at or before byte ", offset, ", had ",
                                              size_, " bytes when it was opened"));
    }
    offset += static_cast<uint64_t>(got);
    out.remove_prefix(static_cast<size_t>(got));
  }
  return absl::OkStatus();
}

void InputFile::Forget(uint64_t offset, uint64_t bytes) const {
  // The kernel drops whole pages only. The page that holds the start belongs to the range read
  // before, which left it behind.
  const uint64_t begin = offset / kPageBytes * kPageBytes;
  posix_fadvise(fd_, static_cast<off_t>(begin), static_cast<off_t>(offset + bytes - begin),
                POSIX_FADV_DONTNEED);
}

absl::StatusOr<std::string> ReadTextFile(const std::string& path, uint64_t max_bytes) {
  absl::StatusOr<std::shared_ptr<const InputFile>> file = InputFile::Open(path);
  if (!file.ok()) return file.status();
  if ((*file)->size() > max_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": has ", (*file)->size(), " bytes, may have ", max_bytes));
  }
  std::string text((*file)->size(), '\0');
  absl::Status status =
      (*file)->ReadAt(0, {reinterpret_cast<std::byte*>(text.data()), text.size()});
  if (!status.ok()) return status;
  return text;
}

std::string Quoted(absl::string_view name) {
  const bool cut = name.size() > kMaxQuotedBytes;
  return absl::StrCat("'", absl::CHexEscape(name.substr(0, kMaxQuotedBytes)), cut ? "..." : "",
                      "'");
}

}  // namespace engram::storage
