#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "storage/hot/hot_image_file.h"
#include "storage/hot/hot_image_format.h"

namespace engram::storage {
namespace {

// On its way from disk while a block is used.
constexpr off_t kReadAheadBytes = off_t{8} << 20;
// Far more than a writer makes.
constexpr size_t kMaxBlockBytes = size_t{256} << 20;

}  // namespace

// Out of the page cache at once, not block by block: each time may wait for all processors.
HotImageReader::~HotImageReader() {
  ::posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED);
  ::close(fd_);
}

absl::Status HotImageReader::Damaged(absl::string_view what) const {
  return absl::DataLossError(absl::StrCat(path_, " ", what));
}

bool HotImageReader::Read(uint64_t offset, absl::Span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t count = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    offset += static_cast<uint64_t>(count);
    out.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

absl::StatusOr<std::unique_ptr<HotImageReader>> HotImageReader::Open(const std::string& path,
                                                                     const HotImageTable& table) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return absl::NotFoundError(absl::StrCat("there is no ", path));
  if (fd < 0) return absl::DataLossError(absl::StrCat("cannot open ", path));
  auto reader = absl::WrapUnique(new HotImageReader(path, table, fd));
  absl::Status status = reader->CheckHeader();
  if (status.ok()) status = reader->CheckEnd();
  if (!status.ok()) return status;
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  return reader;
}

absl::Status HotImageReader::CheckHeader() {
  hot_image::Header header;
  if (!Read(0, hot_image::BytesOf(header)) ||
      std::memcmp(header.magic, hot_image::kMagic, sizeof(header.magic)) != 0) {
    return Damaged("is no hot image");
  }
  if (header.version > kHotImageVersion) {
    return absl::FailedPreconditionError(absl::StrCat(path_, " has format version ", header.version,
                                                      ", and this program knows ", kHotImageVersion,
                                                      " at most"));
  }
  if (header.checksum != hot_image::ChecksumOf(header)) return Damaged("has a damaged header");
  const HotSetTable& table = table_.table;
  if (header.uid != table.uid || header.group_size != table.group_size ||
      header.row_bytes != table_.row_bytes ||
      std::memcmp(header.digest, table.digest.bytes.data(), sizeof(header.digest)) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(path_, " is another table's"));
  }
  if (header.groups_of_block == 0 ||
      (header.groups_of_block > 1 &&
       header.groups_of_block > kMaxBlockBytes / table_.group_bytes())) {
    return Damaged("has blocks of no sensible size");
  }
  groups_of_block_ = header.groups_of_block;
  salt_ = header.checksum;
  return absl::OkStatus();
}

absl::Status HotImageReader::CheckEnd() {
  struct stat file;
  hot_image::EndMark end;
  if (::fstat(fd_, &file) != 0) return Damaged("cannot be read");
  const auto size = static_cast<uint64_t>(file.st_size);
  if (size < sizeof(hot_image::Header) + sizeof(end)) return Damaged("is cut off");
  if (!Read(size - sizeof(end), hot_image::BytesOf(end))) return Damaged("cannot be read");
  if (end.checksum != hot_image::ChecksumOfEnd(salt_, end.groups)) {
    return Damaged("is cut off, or damaged at its end");
  }
  const uint64_t blocks = (end.groups + groups_of_block_ - 1) / groups_of_block_;
  if (size != sizeof(hot_image::Header) + blocks * hot_image::kBlockHeadBytes +
                  end.groups * table_.group_bytes() + sizeof(end)) {
    return Damaged("has another size than its groups take");
  }
  groups_ = end.groups;
  return absl::OkStatus();
}

absl::StatusOr<HotImageBlock> HotImageReader::Next() {
  const uint64_t block = next_group_ / groups_of_block_;
  const size_t count = std::min<uint64_t>(groups_of_block_, groups_ - next_group_);
  const uint64_t offset = sizeof(hot_image::Header) +
                          block * hot_image::BlockBytes(groups_of_block_, table_.group_bytes());
  next_group_ += count;
  buffer_.resize(hot_image::BlockBytes(count, table_.group_bytes()));
  ::posix_fadvise(fd_, static_cast<off_t>(offset),
                  static_cast<off_t>(buffer_.size()) + kReadAheadBytes, POSIX_FADV_WILLNEED);
  if (!Read(offset, absl::MakeSpan(buffer_))) {
    return Damaged(absl::StrCat("cannot be read, in block ", block));
  }
  uint64_t checksum = 0;
  std::memcpy(&checksum, buffer_.data(), sizeof(checksum));
  const auto content = absl::MakeConstSpan(buffer_).subspan(sizeof(checksum));
  if (checksum != hot_image::ChecksumOfBlock(salt_, block, content)) {
    return Damaged(absl::StrCat("is damaged in block ", block));
  }
  HotImageBlock groups = {
      .row_ids = {reinterpret_cast<const RowId*>(content.data()), count * table_.table.group_size},
      .rows = content.subspan(count * table_.id_bytes())};
  const auto is_row = [this](RowId id) { return id < table_.table.rows; };
  if (!std::all_of(groups.row_ids.begin(), groups.row_ids.end(), is_row)) {
    return Damaged(absl::StrCat("names rows that the table does not have, in block ", block));
  }
  return groups;
}

}  // namespace engram::storage
