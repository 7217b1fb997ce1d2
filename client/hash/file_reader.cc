#include "client/hash/file_reader.h"

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"

namespace engram {
namespace {

constexpr size_t kPieceBytes = 256 << 10;

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

}  // namespace

absl::Status ReadInPieces(const std::string& path,
                          absl::FunctionRef<absl::Status(absl::Span<const char>)> consume) {
  std::unique_ptr<std::FILE, FileCloser> file(std::fopen(path.c_str(), "rb"));
  if (file == nullptr) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  }
  std::vector<char> piece(kPieceBytes);
  while (true) {
    const size_t count = std::fread(piece.data(), 1, piece.size(), file.get());
    if (std::ferror(file.get()) != 0) {
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path));
    }
    if (count == 0) {
      return absl::OkStatus();
    }
    if (absl::Status status = consume(absl::MakeConstSpan(piece.data(), count)); !status.ok()) {
      return status;
    }
  }
}

absl::StatusOr<std::string> ReadWhole(const std::string& path) {
  std::string content;
  absl::Status status = ReadInPieces(path, [&](absl::Span<const char> piece) {
    content.append(piece.data(), piece.size());
    return absl::OkStatus();
  });
  if (!status.ok()) {
    return status;
  }
  return content;
}

}  // namespace engram
