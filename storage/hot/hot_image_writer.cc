#include <algorithm>
#include <cstring>

#include "absl/memory/memory.h"
#include "storage/hot/hot_image_file.h"
#include "storage/hot/hot_image_format.h"

namespace engram::storage {
namespace {

constexpr size_t kBlockBytes = size_t{1} << 20;

}  // namespace

uint64_t HotImageBytes(const HotImageTable& table, uint64_t groups) {
  return sizeof(hot_image::Header) + groups * table.group_bytes() + sizeof(hot_image::EndMark);
}

HotImageWriter::HotImageWriter(std::unique_ptr<ReplacedFile> file, const HotImageTable& table)
    : file_(std::move(file)),
      table_(table),
      groups_of_block_(std::max<size_t>(kBlockBytes / table.group_bytes(), 1)) {}

absl::StatusOr<std::unique_ptr<HotImageWriter>> HotImageWriter::Create(const std::string& path,
                                                                       const HotImageTable& table,
                                                                       uint64_t stamp,
                                                                       FileCalls calls) {
  auto file = ReplacedFile::Create(path, std::move(calls));
  if (!file.ok()) return file.status();
  auto writer = absl::WrapUnique(new HotImageWriter(*std::move(file), table));
  hot_image::Header header = {};
  header.version = kHotImageVersion;
  header.group_size = table.table.group_size;
  header.uid = table.table.uid;
  header.row_bytes = table.row_bytes;
  header.groups_of_block = static_cast<uint32_t>(writer->groups_of_block_);
  header.stamp = stamp;
  std::memcpy(header.magic, hot_image::kMagic, sizeof(header.magic));
  std::memcpy(header.digest, table.table.digest.bytes.data(), sizeof(header.digest));
  header.checksum = hot_image::ChecksumOf(header);
  writer->salt_ = header.checksum;
  if (absl::Status status = writer->Write(hot_image::BytesOf(std::as_const(header)));
      !status.ok()) {
    return status;
  }
  return writer;
}

absl::Status HotImageWriter::Write(absl::Span<const std::byte> bytes) {
  bytes_ += bytes.size();
  return file_->Append(bytes);
}

absl::Status HotImageWriter::Append(absl::Span<const RowId> row_ids,
                                    absl::Span<const std::byte> rows) {
  const size_t group_size = table_.table.group_size;
  while (!row_ids.empty()) {
    const size_t room = groups_of_block_ - row_ids_.size() / group_size;
    const size_t count = std::min(room, row_ids.size() / group_size);
    const size_t row_bytes = count * table_.row_bytes_of_group();
    row_ids_.insert(row_ids_.end(), row_ids.begin(), row_ids.begin() + count * group_size);
    rows_.insert(rows_.end(), rows.begin(), rows.begin() + row_bytes);
    row_ids.remove_prefix(count * group_size);
    rows.remove_prefix(row_bytes);
    groups_ += count;
    if (count < room) break;
    if (absl::Status status = WriteBlock(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status HotImageWriter::WriteBlock() {
  const size_t id_bytes = row_ids_.size() * sizeof(RowId);
  std::vector<std::byte> block(hot_image::kBlockHeadBytes + id_bytes + rows_.size());
  const auto content = absl::MakeSpan(block).subspan(hot_image::kBlockHeadBytes);
  std::memcpy(content.data(), row_ids_.data(), id_bytes);
  std::memcpy(content.data() + id_bytes, rows_.data(), rows_.size());
  const uint64_t checksum = hot_image::ChecksumOfBlock(salt_, blocks_, content);
  std::memcpy(block.data(), &checksum, sizeof(checksum));
  ++blocks_;
  row_ids_.clear();
  rows_.clear();
  absl::Status status = Write(block);
  if (status.ok()) file_->Drain();
  return status;
}

absl::Status HotImageWriter::Commit() {
  absl::Status status = row_ids_.empty() ? absl::OkStatus() : WriteBlock();
  const hot_image::EndMark end = {.groups = groups_,
                                  .checksum = hot_image::ChecksumOfEnd(salt_, groups_)};
  if (status.ok()) status = Write(hot_image::BytesOf(end));
  if (status.ok()) status = file_->Commit();
  return status;
}

}  // namespace engram::storage
