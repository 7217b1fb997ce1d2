#include "client/checkpoint/safetensors_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace engram {
namespace {

constexpr uint64_t kPieceBytes = 4 << 20;
constexpr size_t kHeaderAlignment = 8;

absl::Status FileError(absl::string_view action, const std::string& path, int error) {
  const std::string message = absl::StrCat("cannot ", action, " ", path, ": ", strerror(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::ResourceExhaustedError(message);
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    default:
      return absl::UnavailableError(message);
  }
}

// A file that is written from its start to its end.
class OutputFile {
 public:
  explicit OutputFile(std::string path) : path_(std::move(path)) {}
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile() {
    if (fd_ >= 0) close(fd_);
  }

  absl::Status Open() {
    fd_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return fd_ >= 0 ? absl::OkStatus() : FileError("create", path_, errno);
  }

  absl::Status Write(const void* data, size_t size) {
    const char* next = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t written = write(fd_, next, size);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return FileError("write", path_, errno);
      next += written;
      size -= static_cast<size_t>(written);
    }
    return absl::OkStatus();
  }

  // Some file systems report a full disk only here.
  absl::Status Close() {
    const int result = close(fd_);
    fd_ = -1;
    return result == 0 ? absl::OkStatus() : FileError("close", path_, errno);
  }

 private:
  const std::string path_;
  int fd_ = -1;
};

// The length word and the JSON header, padded so that the first tensor is aligned.
std::string EncodeHeader(absl::Span<const TensorPlan> tensors) {
  nlohmann::ordered_json header;
  header["__metadata__"] = {{"format", "pt"}};
  uint64_t offset = 0;
  for (const TensorPlan& tensor : tensors) {
    header[tensor.name] = {{"dtype", tensor.dtype},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, offset + tensor.bytes()}}};
    offset += tensor.bytes();
  }
  std::string json = header.dump();
  json.resize((json.size() + kHeaderAlignment - 1) / kHeaderAlignment * kHeaderAlignment, ' ');
  const uint64_t size = json.size();
  static_assert(std::endian::native == std::endian::little);
  std::string encoded(reinterpret_cast<const char*>(&size), sizeof(size));
  return encoded + json;
}

absl::Status WriteTensor(const TensorPlan& tensor,
                         const std::function<bool(uint64_t bytes)>& on_bytes,
                         std::vector<std::byte>& buffer, OutputFile& file) {
  const uint64_t piece_rows = std::max<uint64_t>(1, kPieceBytes / tensor.row_bytes);
  for (uint64_t row = 0; row < tensor.shape[0]; row += piece_rows) {
    const uint64_t count = std::min(piece_rows, tensor.shape[0] - row);
    buffer.resize(count * tensor.row_bytes);
    tensor.fill(row, absl::MakeSpan(buffer));
    const absl::Status status = file.Write(buffer.data(), buffer.size());
    if (!status.ok()) return status;
    if (!on_bytes(buffer.size())) return absl::CancelledError("cancelled");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteSafetensors(const std::string& path, absl::Span<const TensorPlan> tensors,
                              const std::function<bool(uint64_t bytes)>& on_bytes) {
  OutputFile file(path);
  if (absl::Status status = file.Open(); !status.ok()) return status;
  const std::string header = EncodeHeader(tensors);
  if (absl::Status status = file.Write(header.data(), header.size()); !status.ok()) return status;
  std::vector<std::byte> buffer;
  for (const TensorPlan& tensor : tensors) {
    const absl::Status status = WriteTensor(tensor, on_bytes, buffer, file);
    if (!status.ok()) return status;
  }
  return file.Close();
}

absl::Status WriteTextFile(const std::string& path, const std::string& text) {
  OutputFile file(path);
  if (absl::Status status = file.Open(); !status.ok()) return status;
  if (absl::Status status = file.Write(text.data(), text.size()); !status.ok()) return status;
  return file.Close();
}

}  // namespace engram
